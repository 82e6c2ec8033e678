import { type CryptoKey, compactVerify, errors } from "jose";
import type { Algorithm } from "./algorithms.ts";
import { type CompactJws, TokenRefused } from "./compact-jws.ts";

/** Which key a token wants. */
export interface WantedKey {
  readonly algorithm: Algorithm;
  readonly keyId: string | undefined;
  /** When the token says it was issued, in seconds since 1970: its key existed then. */
  readonly issuedAt: number;
}

/** Where an issuer's keys are had. */
export interface IssuerKeys {
  /**
   * The keys that may have made a signature; none when the issuer has no such key.
   * @throws ISSUER_UNAVAILABLE when the issuer cannot be asked, and only it could tell.
   */
  find(wanted: WantedKey): Promise<readonly CryptoKey[]>;
}

/** An issuer whose tokens are accepted. */
export interface TrustedIssuer {
  /** Its `iss`, to the letter. */
  readonly issuer: string;
  /** What a token's `aud` must contain. */
  readonly audience: string;
  readonly keys: IssuerKeys;
}

/** Checks that the issuer has signed a token. @throws {TokenRefused}; ISSUER_UNAVAILABLE */
export async function verifySignature(jws: CompactJws, keys: IssuerKeys, issuedAt: number): Promise<void> {
  const { token, algorithm, keyId } = jws;
  const candidates = await keys.find({ algorithm, keyId, issuedAt });
  if (candidates.length === 0) throw new TokenRefused("its issuer has no such key");
  for (const key of candidates) {
    if (await isSignedBy(key, token, algorithm)) return;
  }
  throw new TokenRefused("its signature does not verify");
}

async function isSignedBy(key: CryptoKey, token: string, algorithm: Algorithm): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [algorithm] });
    return true;
  } catch (error) {
    if (error instanceof errors.JOSEError) return false;
    throw error;
  }
}
