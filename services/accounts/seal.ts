import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import type { CredentialsKey } from "./config.ts";

export const CREDENTIAL_FIELDS = ["api_key", "api_secret", "passphrase"] as const;
export type CredentialField = (typeof CREDENTIAL_FIELDS)[number];

/** Whose credential it is; a sealed text opens at its own place only. */
export interface CredentialPlace {
  readonly accountId: string;
  readonly field: CredentialField;
}

/** A credential as it is stored. */
export interface SealedCredential {
  readonly keyId: string;
  readonly nonce: Buffer;
  /** With the authentication tag behind it. */
  readonly ciphertext: Buffer;
}

export interface CredentialSeal {
  /** Seals with the first key, under a nonce of its own. */
  seal(place: CredentialPlace, text: string): SealedCredential;
  /**
   * Opens what any of the keys has sealed.
   * @throws an Error, which tells nothing of the text, when the key is not known or the text was tampered with or moved.
   */
  open(place: CredentialPlace, sealed: SealedCredential): string;
  /** Whether it is sealed with a key that is known, but no longer the first: it should be sealed anew. */
  isOutdated(sealed: Pick<SealedCredential, "keyId">): boolean;
}

const ALGORITHM = "aes-256-gcm";
/** NIST SP 800-38D §8.2.2: random nonces of 96 bits serve for 2^32 texts under one key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** @param keys the first one seals, all open. */
export function credentialSeal(keys: readonly CredentialsKey[]): CredentialSeal {
  const [first] = keys;
  if (!first) throw new Error("There is no key to seal credentials with.");
  const byId = new Map(keys.map(({ id, key }) => [id, key]));
  return {
    seal(place, text) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, first.key, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(associatedData(place));
      const ciphertext = Buffer.concat([cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
      return { keyId: first.id, nonce, ciphertext };
    },

    open(place, { keyId, nonce, ciphertext }) {
      const key = byId.get(keyId);
      if (!key)
        throw new Error(`A credential is sealed with the key "${keyId}", which CREDENTIALS_KEYS lacks.`);
      const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(associatedData(place));
      decipher.setAuthTag(ciphertext.subarray(-TAG_BYTES));
      return decipher.update(ciphertext.subarray(0, -TAG_BYTES), undefined, "utf8") + decipher.final("utf8");
    },

    isOutdated: ({ keyId }) => keyId !== first.id && byId.has(keyId),
  };
}

/**
 * Equal for equal keys of one user, so that the database can refuse a second one whichever key has sealed the first.
 * Exchanges draw their keys at random, and a key is of no use without its secret: there is nothing to guess.
 */
export function fingerprintOf(userId: string, apiKey: string): Buffer {
  return createHash("sha256").update(`${userId}:${apiKey}`).digest();
}

function associatedData({ accountId, field }: CredentialPlace): Buffer {
  return Buffer.from(`${accountId}:${field}`);
}
