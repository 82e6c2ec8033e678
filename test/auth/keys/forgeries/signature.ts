import { createHmac } from "node:crypto";
import fc from "fast-check";
import { encode, type SigningKey, signText } from "../tokens.ts";
import { attacker, decoded, type Forgery, type Original, partsOf } from "./original.ts";

/** The order of the curve P-256. */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The same content, signed with a key that is not the issuer's. */
export function signedBySomebodyElse({ token, key }: Original): Forgery {
  const [head, payload] = partsOf(token);
  const secrets = fc.constantFrom(
    key.publicKey.export({ format: "pem", type: "spki" }),
    JSON.stringify(key.jwk),
    String(key.jwk.n ?? key.jwk.x),
    "",
  );
  const symmetric = secrets.map((secret) => {
    const input = `${encode(JSON.stringify({ ...decoded(head), alg: "HS256" }))}.${payload}`;
    return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
  });
  const asymmetric = fc.tuple(attacker, fc.boolean()).map(([by, isHonest]) => {
    const header = isHonest ? { ...decoded(head), alg: by.algorithm } : decoded(head);
    return signText(by, JSON.stringify(header), Buffer.from(payload, "base64url"));
  });
  return fc.oneof(symmetric, asymmetric);
}

/** Another signature: of nothing, of zeros, of another form, of another length, moved by the group's order. */
export function withOtherSignature({ token, key }: Original): Forgery {
  const [head, payload, signature] = partsOf(token);
  const bytes = Buffer.from(signature, "base64url");
  const zeros = Buffer.alloc(bytes.length);
  const half = bytes.length / 2;
  const order = Buffer.from(P256_ORDER.toString(16), "hex");
  const forms = [
    zeros,
    Buffer.alloc(bytes.length, 0xff),
    Buffer.concat([Buffer.from([0]), bytes]),
    Buffer.concat([bytes, Buffer.from([0])]),
    bytes.subarray(1),
    bytes.subarray(0, -1),
    Buffer.from(bytes).reverse(),
    Buffer.concat([bytes.subarray(half), bytes.subarray(0, half)]),
    Buffer.concat([bytes.subarray(0, half), zeros.subarray(half)]),
    Buffer.concat([zeros.subarray(half), bytes.subarray(half)]),
    Buffer.concat([order, order]),
    derOf(bytes),
    ...moved(bytes, key),
  ];
  const random = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((other) => Buffer.from(other));
  return fc
    .oneof(fc.constantFrom(...forms), random)
    .map((other) => `${head}.${payload}.${other.toString("base64url")}`);
}

function derOf(bytes: Buffer): Buffer {
  const half = bytes.length / 2;
  const integer = (part: Buffer) => Buffer.concat([Buffer.from([2, part.length + 1, 0]), part]);
  const content = Buffer.concat([integer(bytes.subarray(0, half)), integer(bytes.subarray(half))]);
  return Buffer.concat([Buffer.from([0x30, content.length & 0xff]), content]);
}

/** An RSA signature plus the modulus, an Ed25519 one plus the group's order: the same number, spelled again. */
function moved(bytes: Buffer, { algorithm, jwk }: SigningKey): Buffer[] {
  const numberOf = (part: Buffer) => BigInt(`0x${part.toString("hex")}`);
  if (algorithm === "EdDSA") {
    const order = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
    const number = numberOf(Buffer.from(bytes.subarray(32)).reverse()) + order;
    const other = Buffer.from(number.toString(16).padStart(64, "0"), "hex").reverse();
    return [Buffer.concat([bytes.subarray(0, 32), other])];
  }
  if (algorithm === "ES256") return [];
  const hex = (numberOf(bytes) + numberOf(Buffer.from(String(jwk.n), "base64url"))).toString(16);
  return [Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex")];
}

/** The other signature (r, n − s) that ECDSA verifies as well. */
export function otherSpelling(token: string): string {
  const [head, payload, signature] = partsOf(token);
  const bytes = Buffer.from(signature, "base64url");
  const other = P256_ORDER - BigInt(`0x${bytes.subarray(32).toString("hex")}`);
  const hex = other.toString(16).padStart(64, "0");
  return `${head}.${payload}.${Buffer.concat([bytes.subarray(0, 32), Buffer.from(hex, "hex")]).toString("base64url")}`;
}
