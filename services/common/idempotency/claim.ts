import { createCipheriv, createDecipheriv, hash, randomBytes } from "node:crypto";

/** What a key stands for: one request of one user. */
export interface Claim {
  readonly userId: string;
  readonly action: string;
  readonly key: Buffer;
  readonly body: Buffer;
  /** Seals what is stored; undefined where that is no secret. */
  readonly seal: Buffer | undefined;
}

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The claim of a part of a request: as lasting as the whole, and apart from it. */
export function partOf(claim: Claim, name: string): Claim {
  const key = hash("sha256", Buffer.concat([claim.key, Buffer.from(name)]), "buffer");
  return { ...claim, key };
}

/** What is stored of a value that JSON can say. */
export function pack(claim: Claim, value: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(value ?? null));
  if (!claim.seal) return text;
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, claim.seal, nonce).setAAD(placeOf(claim));
  const sealed = Buffer.concat([cipher.update(text), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

/** The value that was stored. */
export function unpack(claim: Claim, stored: Buffer): unknown {
  if (!claim.seal) return JSON.parse(stored.toString());
  const nonce = stored.subarray(0, NONCE_BYTES);
  const tag = stored.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
  const decipher = createDecipheriv(CIPHER, claim.seal, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(placeOf(claim)).setAuthTag(tag);
  const sealed = stored.subarray(NONCE_BYTES + TAG_BYTES);
  return JSON.parse(Buffer.concat([decipher.update(sealed), decipher.final()]).toString());
}

/** Where it lies, so that what is moved elsewhere does not open. */
function placeOf({ userId, action, key }: Claim): Buffer {
  return Buffer.concat([Buffer.from(`${userId} ${action} `), key]);
}
