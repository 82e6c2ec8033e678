import { type CryptoKey, importJWK } from "jose";
import type { Algorithm } from "./algorithms.ts";
import { type PublicJwk, readPublicJwk } from "./public-jwk.ts";

/** More than any issuer publishes; it bounds the work of one fetch. */
const MAX_KEYS = 100;
/** Key ids should be distinct (RFC 7517 §4.5); where they are not, a signature is tried with so many keys. */
const MAX_KEYS_PER_ID = 3;

/** An issuer's keys, by what a token says of the one that it needs. Each is used with one algorithm only. */
export interface KeySet {
  /** The keys of this id; without an id, the one key for this algorithm if there is only one. */
  find(algorithm: Algorithm, keyId: string | undefined): readonly CryptoKey[];
  /** Whether a key has this id, whatever its algorithm. */
  hasId(keyId: string): boolean;
  /** What of the issuer's set is in use: public members only. */
  readonly jwks: readonly PublicJwk[];
}

export interface ReadKeySet {
  readonly keySet: KeySet;
  /** Why other keys of the set are not used. */
  readonly skipped: readonly string[];
}

/**
 * Reads a JWK Set (RFC 7517 §5), key by key: what cannot be used is skipped, the rest works.
 * @throws when it is no such set at all.
 */
export async function readKeySet(document: unknown, algorithms: readonly Algorithm[]): Promise<ReadKeySet> {
  const { keys } = (document ?? {}) as { readonly keys?: unknown };
  if (!Array.isArray(keys)) throw new Error("The key set has no list of keys.");
  const skipped: string[] = keys.length > MAX_KEYS ? [`${keys.length - MAX_KEYS} beyond ${MAX_KEYS}`] : [];
  const usable = new Map<string, ImportedKey>();
  for (const key of keys.slice(0, MAX_KEYS)) {
    const imported = await importKey(key, algorithms);
    if (typeof imported === "string") skipped.push(imported);
    else usable.set(JSON.stringify(imported.jwk), imported);
  }
  return { keySet: keySetOf([...usable.values()]), skipped };
}

interface ImportedKey {
  readonly jwk: PublicJwk;
  readonly key: CryptoKey;
}

/** A key ready for use, or why it is none. */
async function importKey(
  candidate: unknown,
  algorithms: readonly Algorithm[],
): Promise<ImportedKey | string> {
  const jwk = readPublicJwk(candidate, algorithms);
  if (typeof jwk === "string") return jwk;
  const { kid: _, ...material } = jwk;
  try {
    return { jwk, key: (await importJWK({ ...material })) as CryptoKey };
  } catch {
    return "no valid key of its type";
  }
}

function keySetOf(keys: readonly ImportedKey[]): KeySet {
  const byId = Map.groupBy(
    keys.filter(({ jwk }) => jwk.kid !== undefined),
    ({ jwk }) => jwk.kid as string,
  );
  return {
    find(algorithm, keyId) {
      const fitting = (keyId === undefined ? keys : (byId.get(keyId) ?? []))
        .filter(({ jwk }) => jwk.alg === algorithm)
        .map(({ key }) => key);
      if (keyId === undefined) return fitting.length === 1 ? fitting : [];
      return fitting.slice(0, MAX_KEYS_PER_ID);
    },
    hasId: (keyId) => byId.has(keyId),
    jwks: keys.map(({ jwk }) => jwk),
  };
}
