import { CLOCK_LEEWAY_SECONDS } from "../common/principal.ts";
import type { Algorithm } from "./algorithms.ts";
import { CommonClaims, checkTimes, isMeantFor, readClaims } from "./claims.ts";
import { type CompactJws, parseCompactJws, TokenRefused } from "./compact-jws.ts";
import { type TrustedIssuer, verifySignature } from "./signature.ts";
import { isJsonObject } from "./strict-json.ts";

/** What a verified logout token says: this session of this user (or all of the user's) has ended. */
export interface LogoutToken {
  readonly issuer: string;
  /** At least one of them is there. */
  readonly subject?: string;
  readonly sessionId?: string;
  readonly tokenId: string;
  /** In seconds since 1970. From then on the token is refused anyway: until then its id must not be taken again. */
  readonly expiresAt: number;
}

export interface LogoutTokenOptions {
  readonly issuers: readonly TrustedIssuer[];
  readonly algorithms: readonly Algorithm[];
  /** Our own id as the issuer's client, if it is another than the audience of access tokens. */
  readonly clientId?: string | undefined;
  /** In milliseconds since 1970. */
  readonly now?: () => number;
}

const LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout";
/** Logout tokens are delivered at once; the specification has them end after two minutes. */
const MAX_LIFETIME_SECONDS = 3_600;
/** Keycloak up to 23, and others, state no `exp`. */
const DEFAULT_LIFETIME_SECONDS = 120;

const Claims = CommonClaims.required({ jti: true });

/**
 * Makes the check of logout tokens, as OpenID Connect Back-Channel Logout 1.0 §2.6 has it, but for `jti`: whether it was
 * used before is the caller's to know.
 * @throws {TokenRefused} from the check, for every bad token; ISSUER_UNAVAILABLE when its key cannot be had now.
 */
export function logoutTokenVerifier(options: LogoutTokenOptions): (token: string) => Promise<LogoutToken> {
  const { algorithms, clientId, now = Date.now } = options;
  const trusted = new Map(options.issuers.map((each) => [each.issuer, each]));

  return async (token) => {
    const jws = parseCompactJws(token, algorithms);
    const issuer = trusted.get(jws.payload.iss as string);
    if (!issuer) throw new TokenRefused("its issuer is not trusted");
    const { iss, aud, sub, sid, jti, iat, nbf, ...claims } = readClaims(Claims, jws.payload);
    checkProfile(jws);
    if (
      ![issuer.audience, clientId].some((audience) => audience !== undefined && isMeantFor(audience, aud))
    ) {
      throw new TokenRefused("not meant for us");
    }
    if (sub === undefined && sid === undefined)
      throw new TokenRefused("names neither a subject nor a session");
    const exp = claims.exp ?? iat + DEFAULT_LIFETIME_SECONDS;
    checkTimes({ iat, nbf, exp }, { nowMs: now(), maxLifetimeSeconds: MAX_LIFETIME_SECONDS });
    await verifySignature(jws, issuer.keys, iat);
    return {
      issuer: iss,
      ...(sub !== undefined && { subject: sub }),
      ...(sid !== undefined && { sessionId: sid }),
      tokenId: jti,
      expiresAt: exp + CLOCK_LEEWAY_SECONDS,
    };
  };
}

/**
 * Only logout tokens. Their type is `logout+jwt` where the issuer says it (Keycloak since 25); older ones say `JWT`, and
 * Keycloak's payload `typ: Logout`. The event must be there and a nonce must not, which tells them from ID tokens.
 */
function checkProfile({ type, payload }: CompactJws): void {
  const isTyped = type === "logout+jwt" || type === "jwt" || type === undefined;
  const isOther = Object.hasOwn(payload, "typ") && payload.typ !== "Logout";
  if (!isTyped || isOther) throw new TokenRefused("not a logout token");
  const { events } = payload;
  if (!isJsonObject(events) || !Object.hasOwn(events, LOGOUT_EVENT) || !isJsonObject(events[LOGOUT_EVENT])) {
    throw new TokenRefused("does not tell of a logout");
  }
  if (Object.hasOwn(payload, "nonce")) throw new TokenRefused("has a nonce, as ID tokens do");
}
