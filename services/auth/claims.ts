import { z } from "zod";
import { CLOCK_LEEWAY_SECONDS } from "../common/principal.ts";
import { isStorable } from "../common/values.ts";
import { TokenRefused } from "./compact-jws.ts";
import type { JsonObject } from "./strict-json.ts";

const MAX_AUDIENCES = 100;

/** A claim that is text, at most so long, and that can be stored. */
export function text(maximum: number) {
  return z.string().min(1).max(maximum).refine(isStorable);
}

/** RFC 7519 §2 NumericDate, in whole seconds, as every issuer writes it. */
const NumericDate = z.int().nonnegative();

/** The claims that every token has which we take. */
export const CommonClaims = z.object({
  iss: text(500),
  aud: z.union([z.string(), z.array(z.string()).max(MAX_AUDIENCES)]).optional(),
  iat: NumericDate,
  nbf: NumericDate.optional(),
  exp: NumericDate.optional(),
  sub: text(255).optional(),
  sid: text(255).optional(),
  jti: text(255).optional(),
});

/** Reads a token's claims. @throws {TokenRefused} naming the first one that is missing or malformed. */
export function readClaims<Schema extends z.ZodType>(schema: Schema, payload: JsonObject): z.output<Schema> {
  const claims = schema.safeParse(payload);
  if (claims.success) return claims.data;
  throw new TokenRefused(`claim ${claims.error.issues[0]?.path.join(".")} is missing or malformed`);
}

/** Whether a token's `aud` names us (RFC 7519 §4.1.3). */
export function isMeantFor(audience: string, aud: string | readonly string[] | undefined): boolean {
  return typeof aud === "string" ? aud === audience : (aud?.includes(audience) ?? false);
}

/** Checks that a token is valid now, with leeway at each edge. @throws {TokenRefused} */
export function checkTimes(
  { iat, nbf, exp }: { readonly iat: number; readonly nbf?: number | undefined; readonly exp: number },
  { nowMs, maxLifetimeSeconds }: { readonly nowMs: number; readonly maxLifetimeSeconds: number },
): void {
  const now = nowMs / 1000;
  if (exp + CLOCK_LEEWAY_SECONDS <= now) throw new TokenRefused("expired");
  if (nbf !== undefined && nbf - CLOCK_LEEWAY_SECONDS > now) throw new TokenRefused("not valid yet");
  if (iat - CLOCK_LEEWAY_SECONDS > now) throw new TokenRefused("issued in the future");
  if (exp <= iat) throw new TokenRefused("ends before it begins");
  if (exp - iat > maxLifetimeSeconds) throw new TokenRefused("valid for too long");
}
