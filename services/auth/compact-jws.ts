import { z } from "zod";
import type { Algorithm } from "./algorithms.ts";
import { COMPACT_JWS, MAX_TOKEN_LENGTH } from "./contract.ts";
import { type JsonObject, JsonRefused, parseJsonObject } from "./strict-json.ts";

/** Why a token was refused: for the log, never for the caller. It quotes nothing of the token. */
export class TokenRefused extends Error {
  override readonly name = "TokenRefused";
}

/** What a signed token says, before anything of it is believed. */
export interface CompactJws {
  readonly token: string;
  readonly algorithm: Algorithm;
  readonly keyId: string | undefined;
  /** The header's `typ` in lower case and without `application/` (RFC 7515 §4.1.9). */
  readonly type: string | undefined;
  readonly payload: JsonObject;
}

/**
 * Header parameters by which a token would bring its own key or its own rules (RFC 8725 §3.10, RFC 7797), or would be
 * packed. No issuer needs them.
 */
const REFUSED_PARAMETERS = ["crit", "b64", "jku", "jwk", "x5u", "x5c", "zip"];

/** The last characters that leave the unused bits zero (RFC 4648 §3.5), by the length's rest when divided by 4. */
const CANONICAL_ENDS: readonly (RegExp | undefined)[] = [undefined, /(?!)/, /[AQgw]$/, /[AEIMQUYcgkosw048]$/];

const Header = z.object({
  alg: z.string(),
  kid: z.string().min(1).max(255).optional(),
  typ: z.string().max(100).optional(),
});

/**
 * Reads a token in JWS compact serialisation (RFC 7515 §7.1), without any key work. Each token has one spelling only:
 * three parts in canonical base64url, of which header and payload are unambiguous JSON objects. A JWE has five parts.
 * (The two spellings of an ECDSA signature remain, so tokens are told apart by their claims, never by their text.)
 * @throws {TokenRefused}
 */
export function parseCompactJws(token: string, algorithms: readonly Algorithm[]): CompactJws {
  if (token.length > MAX_TOKEN_LENGTH) throw new TokenRefused("longer than a token may be");
  if (!COMPACT_JWS.test(token)) throw new TokenRefused("not a compact JWS");
  const parts = token.split(".");
  if (!parts.every(isCanonical)) throw new TokenRefused("not canonical base64url");
  const header = objectOf(parts[0] as string, "header");
  const refused = REFUSED_PARAMETERS.find((name) => Object.hasOwn(header, name));
  if (refused) throw new TokenRefused(`header parameter ${refused} is not accepted`);
  const checked = Header.safeParse(header);
  if (!checked.success) {
    throw new TokenRefused(
      `header parameter ${checked.error.issues[0]?.path.join(".")} is missing or malformed`,
    );
  }
  const { alg, kid, typ } = checked.data;
  const algorithm = algorithms.find((allowed) => allowed === alg);
  if (!algorithm) throw new TokenRefused("its algorithm is not allowed");
  const type = typ?.toLowerCase().replace(/^application\//, "");
  return { token, algorithm, keyId: kid, type, payload: objectOf(parts[1] as string, "payload") };
}

function isCanonical(part: string): boolean {
  return CANONICAL_ENDS[part.length % 4]?.test(part) ?? true;
}

function objectOf(part: string, name: string): JsonObject {
  try {
    return parseJsonObject(Buffer.from(part, "base64url"));
  } catch (error) {
    if (error instanceof JsonRefused) throw new TokenRefused(`${name}: ${error.message}`);
    throw error;
  }
}
