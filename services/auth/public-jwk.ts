import { z } from "zod";
import type { Algorithm } from "./algorithms.ts";
import { isJsonObject } from "./strict-json.ts";

const MIN_MODULUS_BITS = 2048;
/** Larger keys only make each token costly to check. */
const MAX_MODULUS_BITS = 8192;
const MAX_EXPONENT_BITS = 32;
/** RFC 7518 §6.2.2, §6.3.2 and §6.4.1: a set that shows them has given the key away. */
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/** The keys that each algorithm is used with. */
const KEY_TYPES = { RS256: "RSA", PS256: "RSA", ES256: "EC", EdDSA: "OKP" } as const;

const bytes = z.base64url().min(1).max(2_000);
const attributes = {
  kid: z.string().min(1).max(255).optional(),
  use: z.literal("sig").optional(),
  key_ops: z.array(z.string()).optional(),
  alg: z.string().optional(),
};
const Jwk = z.discriminatedUnion("kty", [
  z.object({ kty: z.literal("RSA"), n: bytes, e: bytes, ...attributes }),
  z.object({ kty: z.literal("EC"), crv: z.literal("P-256"), x: bytes, y: bytes, ...attributes }),
  z.object({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: bytes, ...attributes }),
]);
type Jwk = z.infer<typeof Jwk>;

/** A public key for signatures of one algorithm, and nothing else that its issuer said of it. */
export type PublicJwk = DistributiveOmit<Jwk, keyof typeof attributes> & {
  readonly alg: Algorithm;
  readonly kid?: string;
};
type DistributiveOmit<Union, Key extends PropertyKey> = Union extends unknown ? Omit<Union, Key> : never;

/**
 * Takes from a JWK (RFC 7517) what is needed to check signatures.
 * A key that names no algorithm gets the first of the allowed ones that fits it, and keeps to it.
 * @returns the reason, as text, when the key is not for us.
 */
export function readPublicJwk(candidate: unknown, algorithms: readonly Algorithm[]): PublicJwk | string {
  if (!isJsonObject(candidate)) return "no object";
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(candidate, name))) return "has private members";
  const parsed = Jwk.safeParse(candidate);
  if (!parsed.success) return `its ${parsed.error.issues[0]?.path.join(".")} is not usable`;
  const { kid, use: _, key_ops: operations, alg: ownAlgorithm, ...material } = parsed.data;
  if (operations && !operations.includes("verify")) return "its key_ops leave out verify";
  const alg = algorithms.find(
    (each) => KEY_TYPES[each] === material.kty && (ownAlgorithm === undefined || ownAlgorithm === each),
  );
  if (!alg) return "none of the allowed algorithms";
  const fault = material.kty === "RSA" ? faultOfRsa(material) : undefined;
  return fault ?? { ...material, alg, ...(kid !== undefined && { kid }) };
}

function faultOfRsa({ n, e }: { readonly n: string; readonly e: string }): string | undefined {
  const modulusBits = bitsOf(n);
  if (modulusBits < MIN_MODULUS_BITS) return `its modulus is shorter than ${MIN_MODULUS_BITS} bits`;
  if (modulusBits > MAX_MODULUS_BITS) return `its modulus is longer than ${MAX_MODULUS_BITS} bits`;
  const isOdd = numberOf(e) % 2n === 1n;
  const isSafe = isOdd && numberOf(e) > 1n && bitsOf(e) <= MAX_EXPONENT_BITS;
  return isSafe ? undefined : "its exponent is not safe";
}

function bitsOf(text: string): number {
  const number = numberOf(text);
  return number === 0n ? 0 : number.toString(2).length;
}

/** RFC 7518 §2 Base64urlUInt; some issuers put zeros before. */
function numberOf(text: string): bigint {
  return BigInt(`0x0${Buffer.from(text, "base64url").toString("hex")}`);
}
