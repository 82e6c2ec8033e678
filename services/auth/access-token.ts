import { z } from "zod";
import type { Algorithm } from "./algorithms.ts";
import { CommonClaims, checkTimes, isMeantFor, readClaims, text } from "./claims.ts";
import { type CompactJws, parseCompactJws, TokenRefused } from "./compact-jws.ts";
import { type RoleClaims, rolesReader } from "./roles.ts";
import { type TrustedIssuer, verifySignature } from "./signature.ts";

/** What we take from a verified access token. */
export interface AccessToken {
  readonly issuer: string;
  readonly subject: string;
  /** Both in seconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly sessionId?: string;
  readonly tokenId?: string;
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly preferred_username?: string;
  readonly roles: string[];
}

export interface AccessTokenOptions extends RoleClaims {
  readonly issuers: readonly TrustedIssuer[];
  readonly algorithms: readonly Algorithm[];
  /** Clients (`azp`) whose tokens are taken although their `aud` leaves us out, as Keycloak's may. */
  readonly authorizedParties: readonly string[];
  readonly maxLifetimeSeconds: number;
  /** In milliseconds since 1970. */
  readonly now?: () => number;
}

/** What only describes its user is left out where it is malformed; everything else refuses the token. */
const Claims = CommonClaims.required({ exp: true, sub: true }).extend({
  azp: text(255).optional(),
  typ: z.string().optional(),
  email: text(320).optional().catch(undefined),
  email_verified: z.boolean().optional().catch(undefined),
  preferred_username: text(255).optional().catch(undefined),
});
type Claims = z.infer<typeof Claims>;

/** Keycloak's names for the payload's `typ` of what is no access token. */
const OTHER_PAYLOAD_TYPES = new Set(["id", "refresh", "offline", "logout"]);

/**
 * Makes the check of access tokens: RFC 9068 (header `at+jwt`) and Keycloak's (header `JWT`, payload `typ: Bearer`), of
 * the trusted issuers only. What costs least comes first, the signature last: nothing that it answers was told before.
 * @throws {TokenRefused} from the check, for every bad token; ISSUER_UNAVAILABLE when its key cannot be had now.
 */
export function accessTokenVerifier(options: AccessTokenOptions): (token: string) => Promise<AccessToken> {
  const { algorithms, authorizedParties, maxLifetimeSeconds, now = Date.now } = options;
  const trusted = new Map(options.issuers.map((each) => [each.issuer, each]));
  const rolesOf = rolesReader(options);

  return async (token) => {
    const jws = parseCompactJws(token, algorithms);
    const issuer = trusted.get(jws.payload.iss as string);
    if (!issuer) throw new TokenRefused("its issuer is not trusted");
    const claims = readClaims(Claims, jws.payload);
    checkProfile(jws, claims.typ);
    if (!isMeantFor(issuer.audience, claims.aud) && !authorizedParties.includes(claims.azp ?? "")) {
      throw new TokenRefused("not meant for us");
    }
    checkTimes(claims, { nowMs: now(), maxLifetimeSeconds });
    await verifySignature(jws, issuer.keys, claims.iat);
    return accessTokenOf(claims, rolesOf(jws.payload));
  };
}

/** Only access tokens: ID, refresh and logout tokens of the same issuer carry the same signature. */
function checkProfile({ type, payload }: CompactJws, payloadType: string | undefined): void {
  const isAccessToken =
    type === "at+jwt"
      ? !OTHER_PAYLOAD_TYPES.has(payloadType?.toLowerCase() ?? "")
      : type === "jwt" && payloadType === "Bearer";
  if (!isAccessToken) throw new TokenRefused("not an access token");
  // Whoever presents it must prove to have a key as well (RFC 8705, RFC 9449), and nobody here asks for the proof.
  if (Object.hasOwn(payload, "cnf")) throw new TokenRefused("bound to a key, so no bearer token");
}

function accessTokenOf(claims: Claims, roles: string[]): AccessToken {
  const { iss, sub, iat, exp, sid, jti, email, email_verified, preferred_username } = claims;
  return {
    issuer: iss,
    subject: sub,
    issuedAt: iat,
    expiresAt: exp,
    ...(sid !== undefined && { sessionId: sid }),
    ...(jti !== undefined && { tokenId: jti }),
    ...(email !== undefined && { email }),
    ...(email_verified !== undefined && { email_verified }),
    ...(preferred_username !== undefined && { preferred_username }),
    roles,
  };
}
