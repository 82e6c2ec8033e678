import { decodeJwt, errors, type JWTPayload, jwtVerify, type ProtectedHeaderParameters } from "jose";
import { z } from "zod";
import { problem } from "../common/problem.ts";
import type { AuthConfig } from "./config.ts";
import { COMPACT_JWS } from "./contract.ts";
import { issuerKeys } from "./issuer.ts";

const LEEWAY_SECONDS = 30;
const ALGORITHMS = ["RS256", "ES256"];
const MAX_ROLES = 50;

/** What we read of a verified token. */
const Claims = z.object({
  iss: z.string().max(500),
  sub: z.string().min(1).max(255),
  exp: z.int().positive(),
  iat: z.int().positive(),
  email: z.string().min(1).max(320).optional().catch(undefined),
  email_verified: z.boolean().optional().catch(undefined),
  preferred_username: z.string().min(1).max(255).optional().catch(undefined),
  realm_access: z
    .object({ roles: z.array(z.string().max(100)).max(MAX_ROLES) })
    .optional()
    .catch(undefined),
});
export type Claims = z.infer<typeof Claims>;

/** Why a token was refused: for the log, never for the caller. */
export class TokenRefused extends Error {
  override readonly name = "TokenRefused";
}

/**
 * Makes the check of access tokens: RFC 9068 (`at+jwt`) and Keycloak's (`JWT` with `typ: Bearer`), of the configured
 * issuers only.
 * @throws {TokenRefused} from the check, for every bad token; ISSUER_UNAVAILABLE when the keys are not to be had.
 */
export function tokenVerifier(config: AuthConfig): (token: string) => Promise<Claims> {
  const trusted = new Map(
    config.issuers.map(({ issuer, audience }) => [issuer, { issuer, audience, keys: issuerKeys(issuer) }]),
  );
  return async (token) => {
    if (!COMPACT_JWS.test(token)) throw new TokenRefused("not a compact JWS");
    const issuer = trusted.get(issuerOf(token));
    if (!issuer) throw new TokenRefused("issuer is not trusted");
    const keys = await issuer.keys();
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      issuer: issuer.issuer,
      audience: issuer.audience,
      algorithms: ALGORITHMS,
      clockTolerance: LEEWAY_SECONDS,
    }).catch((error) => {
      throw refusalOf(error);
    });
    checkProfile(protectedHeader, payload);
    return checkedClaims(payload, config.maxTokenLifetimeSeconds);
  };
}

/** Which issuer the token claims to be of; believed only once its key has verified it. */
function issuerOf(token: string): string {
  try {
    return decodeJwt(token).iss ?? "";
  } catch {
    throw new TokenRefused("payload is not a JSON object");
  }
}

/** Only access tokens: ID, refresh and logout tokens of the same issuer carry the same signature. */
function checkProfile({ typ }: ProtectedHeaderParameters, payload: JWTPayload): void {
  const type = typ?.toLowerCase().replace(/^application\//, "");
  if (type === "at+jwt") return;
  if (type === "jwt" && payload.typ === "Bearer") return;
  throw new TokenRefused("not an access token");
}

function checkedClaims(payload: JWTPayload, maxLifetimeSeconds: number): Claims {
  const claims = Claims.safeParse(payload);
  if (!claims.success)
    throw new TokenRefused(`claim ${claims.error.issues[0]?.path.join(".")} is missing or malformed`);
  const { iat, exp } = claims.data;
  if (iat > Date.now() / 1000 + LEEWAY_SECONDS) throw new TokenRefused("issued in the future");
  if (exp - iat > maxLifetimeSeconds) throw new TokenRefused("valid for too long");
  return claims.data;
}

/** jose tells by class and code whether the token is bad or its keys could not be had. */
function refusalOf(error: unknown): Error {
  const unreachable =
    error instanceof errors.JWKSTimeout ||
    !(error instanceof errors.JOSEError) ||
    error.code === errors.JOSEError.code;
  if (unreachable) return Object.assign(problem("ISSUER_UNAVAILABLE"), { cause: error });
  return new TokenRefused(error.message);
}
