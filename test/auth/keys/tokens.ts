import { constants, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { Algorithm } from "../../../services/auth/algorithms.ts";
import { readKeySet } from "../../../services/auth/key-set.ts";
import type { IssuerKeys } from "../../../services/auth/signature.ts";

/** A key as an issuer holds it. */
export interface SigningKey {
  readonly algorithm: Algorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** As the issuer publishes it. */
  readonly jwk: Readonly<Record<string, unknown>>;
}

export const ISSUER = "https://issuer.example/realms/butler";
export const AUDIENCE = "crypto-pocket-butler";

/** Makes a key; without a `kid` if it is undefined. */
export function createKey(algorithm: Algorithm, kid: string | undefined = algorithm): SigningKey {
  const { privateKey, publicKey } = generate(algorithm);
  const jwk = { ...publicKey.export({ format: "jwk" }), alg: algorithm, use: "sig", ...(kid && { kid }) };
  return { algorithm, privateKey, publicKey, jwk };
}

function generate(algorithm: Algorithm): { privateKey: KeyObject; publicKey: KeyObject } {
  if (algorithm === "ES256") return generateKeyPairSync("ec", { namedCurve: "P-256" });
  if (algorithm === "EdDSA") return generateKeyPairSync("ed25519");
  return generateKeyPairSync("rsa", { modulusLength: 2048 });
}

/** Signs whatever it is given, also what no library would. */
export function signText(key: SigningKey, header: string | Buffer, payload: string | Buffer): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${signatureOf(key, input)}`;
}

export function encode(text: string | Buffer): string {
  return Buffer.from(text as string).toString("base64url");
}

export function signatureOf({ algorithm, privateKey }: SigningKey, input: string): string {
  const data = Buffer.from(input);
  if (algorithm === "EdDSA") return sign(null, data, privateKey).toString("base64url");
  const options = {
    RS256: { key: privateKey },
    PS256: { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
    ES256: { key: privateKey, dsaEncoding: "ieee-p1363" as const },
  }[algorithm];
  return sign("sha256", data, options).toString("base64url");
}

export type Members = Readonly<Record<string, unknown>>;

/** A token of this key, good unless a member spoils it; a member that is undefined is left out. */
export function tokenOf(
  key: SigningKey,
  { header = {}, claims = {} }: { header?: Members; claims?: Members } = {},
) {
  return signText(
    key,
    JSON.stringify({ alg: key.algorithm, typ: "at+jwt", kid: key.jwk.kid, ...header }),
    JSON.stringify({ ...goodClaims(), ...claims }),
  );
}

export function goodClaims(nowMs = Date.now()) {
  const iat = Math.floor(nowMs / 1000);
  return { iss: ISSUER, aud: AUDIENCE, sub: "ada", iat, exp: iat + 300 };
}

/** The keys of an issuer that is never asked. */
export async function fixedKeys(
  keys: readonly SigningKey[],
  algorithms: readonly Algorithm[],
): Promise<IssuerKeys> {
  const { keySet } = await readKeySet({ keys: keys.map(({ jwk }) => jwk) }, algorithms);
  return { find: async ({ algorithm, keyId }) => keySet.find(algorithm, keyId) };
}
