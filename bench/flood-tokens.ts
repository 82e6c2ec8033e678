import { randomBytes } from "node:crypto";
import { AUDIENCE, KEY_IDS, type TokenAlgorithm } from "./issuer.ts";

const SIGNATURE_BYTES: Readonly<Record<TokenAlgorithm, number>> = { RS256: 256, ES256: 64 };
/** Issued so long ago, no key that signed them can be newer than the key set: it has nothing to wait for. */
const AGE_SECONDS = 600;
const LIFETIME_SECONDS = 3_600;

/** Makes bad tokens, the kinds in turn, none like another. None is well signed, because no check gets as far as to see it. */
export function badTokens(issuerUrl: string): () => string {
  const issuedAt = Math.floor(Date.now() / 1000) - AGE_SECONDS;
  let made = 0;

  function token(alg: TokenAlgorithm, keyId: string, expiresAt: number): string {
    const payload = {
      iss: issuerUrl,
      aud: AUDIENCE,
      sub: `user-${made}`,
      client_id: "bench",
      jti: `flood-${made}`,
      iat: expiresAt - LIFETIME_SECONDS,
      exp: expiresAt,
    };
    return `${encoded({ alg, typ: "at+jwt", kid: keyId })}.${encoded(payload)}.${signature(alg)}`;
  }

  const ends = issuedAt + LIFETIME_SECONDS;
  const kinds = [
    () => token("RS256", KEY_IDS.RS256, ends),
    () => token("ES256", KEY_IDS.ES256, ends),
    () => token("RS256", `unknown-${made}`, ends),
    () => token("RS256", KEY_IDS.RS256, issuedAt),
    () => [30, 200, 256].map((size) => randomBytes(size).toString("base64url")).join("."),
  ];
  return () => {
    made += 1;
    return (kinds[made % kinds.length] as () => string)();
  };
}

function encoded(object: object): string {
  return Buffer.from(JSON.stringify(object)).toString("base64url");
}

function signature(algorithm: TokenAlgorithm): string {
  const bytes = randomBytes(SIGNATURE_BYTES[algorithm]);
  // Below the key's modulus: else it is refused without any work.
  bytes[0] = 1;
  return bytes.toString("base64url");
}
