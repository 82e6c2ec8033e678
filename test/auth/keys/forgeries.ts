import { createHmac } from "node:crypto";
import fc from "fast-check";
import { ALGORITHMS, type Algorithm } from "../../../services/auth/algorithms.ts";
import { createKey, encode, type Members, type SigningKey, signatureOf, signText } from "./tokens.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/** The order of the curve P-256. */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** A good token with what it was made of. */
export interface Original {
  readonly token: string;
  readonly key: SigningKey;
}

type Forgery = fc.Arbitrary<string>;

/** Keys of somebody else that go by the issuer's key ids. */
const attackers = Object.fromEntries(ALGORITHMS.map((each) => [each, createKey(each)])) as Record<
  Algorithm,
  SigningKey
>;
const attacker = fc.constantFrom(...Object.values(attackers));

const partsOf = (token: string) => token.split(".") as [string, string, string];
const decoded = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString()) as Members;

/** Forgeries of good tokens, of every kind that is known; none of them is one of the originals. */
export function forgeryOf(originals: readonly Original[]): Forgery {
  const spoilt = fc
    .constantFrom(...originals)
    .chain((original) =>
      fc.oneof(
        flipped(original),
        misspelt(original),
        withOtherHeader(original),
        withOtherClaims(original),
        signedBySomebodyElse(original),
        withOtherSignature(original),
        mixed(original, originals),
        ambiguous(original),
        unacceptable(original),
      ),
    );
  const good = new Set(originals.map(({ token }) => token));
  return fc
    .oneof({ weight: 30, arbitrary: spoilt }, { weight: 1, arbitrary: garbage })
    .filter((token) => !good.has(token));
}

/** One character or one byte of one part is another. */
function flipped({ token }: Original): Forgery {
  const character = fc
    .tuple(fc.nat(token.length - 1), fc.constantFrom(...ALPHABET, ".", "=", " "))
    .map(([index, other]) => token.slice(0, index) + other + token.slice(index + 1));
  const byte = fc
    .tuple(fc.nat(2), fc.nat(), fc.integer({ min: 1, max: 255 }))
    .map(([part, position, mask]) => {
      const parts = partsOf(token);
      const bytes = Buffer.from(parts[part] as string, "base64url");
      const index = position % bytes.length;
      bytes[index] = (bytes[index] as number) ^ mask;
      parts[part] = bytes.toString("base64url");
      return parts.join(".");
    });
  return fc.oneof(character, byte);
}

/** The same token in another spelling, or with something more or less. */
function misspelt({ token }: Original): Forgery {
  const [header, payload, signature] = partsOf(token);
  const noise = fc.constantFrom(
    "=",
    "==",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\0",
    ".",
    "..",
    "A",
    "AA",
    "%",
    "%3D",
    "\u00a0",
    "ﬀ",
  );
  const inserted = fc
    .tuple(fc.nat(token.length), noise)
    .map(([index, text]) => token.slice(0, index) + text + token.slice(index));
  const cut = fc
    .tuple(fc.nat(token.length - 1), fc.integer({ min: 1, max: 40 }))
    .map(([index, length]) => token.slice(0, index) + token.slice(index + length));
  const looseEnds = fc.constantFrom(...ALPHABET).map((last) => token.slice(0, -1) + last);
  const forms = fc.constantFrom(
    `Bearer ${token}`,
    `"${token}"`,
    encodeURIComponent(token).replaceAll("_", "%5F"),
    token.replaceAll("-", "+").replaceAll("_", "/").concat("="),
    token.toLowerCase(),
    `${header}.${payload}.`,
    `${header}.${payload}`,
    `${header}..${signature}`,
    `.${payload}.${signature}`,
    `${token}.${signature}`,
    `${header}.${signature}.${payload}`,
    `${payload}.${header}.${signature}`,
    `${header}.${encode(token)}.${signature}`,
    `${encode('{"alg":"dir","enc":"A256GCM"}')}..${payload}.${payload}.${signature}`,
    JSON.stringify({ payload, protected: header, signature }),
  );
  return fc.oneof(inserted, cut, looseEnds, forms);
}

/** The header says something else; the signature is kept, or is somebody else's. */
function withOtherHeader(original: Original): Forgery {
  const [head, payload, signature] = partsOf(original.token);
  const member = fc.oneof(
    fc.tuple(
      fc.constant("alg"),
      fc.constantFrom(...ALGORITHMS, "none", "None", "", "HS256", "RS512", "ES384", null, 1),
    ),
    fc.tuple(
      fc.constant("kid"),
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.constantFrom(...ALGORITHMS, "../../dev/null", "' or 1=1 --", null, 1),
      ),
    ),
    fc.tuple(fc.constant("typ"), fc.constantFrom("JWT", "at+jwt", "logout+jwt", "", null)),
    fc.tuple(
      fc.constantFrom("crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "cty", "__proto__"),
      fc.jsonValue(),
    ),
    fc.constant(["jwk", attackers.ES256.jwk] as const),
    fc.constant(["crit", ["b64"]] as const),
  );
  return fc.tuple(member, attacker, fc.boolean()).map(([[name, value], by, isResigned]) => {
    const header = JSON.stringify({ ...decoded(head), [name]: value });
    return isResigned
      ? signText(by, header, Buffer.from(payload, "base64url"))
      : `${encode(header)}.${payload}.${signature}`;
  });
}

/** The claims say something else; the signature is kept, or is somebody else's. */
function withOtherClaims(original: Original): Forgery {
  const [head, payload, signature] = partsOf(original.token);
  const names = [
    "iss",
    "aud",
    "sub",
    "exp",
    "iat",
    "nbf",
    "jti",
    "sid",
    "azp",
    "typ",
    "realm_access",
    "email",
  ];
  const edit = fc.tuple(
    fc.constantFrom(...names),
    fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom("administrator", 4_102_444_800, 0, -1)),
  );
  return fc.tuple(edit, attacker, fc.boolean()).map(([[name, value], by, isResigned]) => {
    const claims = JSON.stringify({ ...decoded(payload), [name]: value });
    return isResigned
      ? signText(by, JSON.stringify({ ...decoded(head), alg: by.algorithm }), claims)
      : `${head}.${encode(claims)}.${signature}`;
  });
}

/** The same content, signed with a key that is not the issuer's. */
function signedBySomebodyElse({ token, key }: Original): Forgery {
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
function withOtherSignature({ token, key }: Original): Forgery {
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

/** Parts of two good tokens. */
function mixed(original: Original, originals: readonly Original[]): Forgery {
  const parts = partsOf(original.token);
  return fc.tuple(fc.constantFrom(...originals), fc.nat(2)).map(([{ token }, index]) => {
    const other = partsOf(token);
    return parts.map((part, position) => (position === index ? other[position] : part)).join(".");
  });
}

/** The issuer's own signature under JSON that can be read in two ways. */
function ambiguous({ token, key }: Original): Forgery {
  const texts = partsOf(token)
    .slice(0, 2)
    .map((part) => Buffer.from(part, "base64url").toString());
  const [header, claims] = texts as [string, string];
  const spoil = fc.constantFrom<(text: string, name: string) => string>(
    (text, name) => text.replace("{", `{"${name}":"eve",`),
    (text, name) => text.replace(/\}$/, `,"${name}":"eve"}`),
    (text, name) => text.replace("{", `{"\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}":"eve",`),
    (text) => text.replace("{", '{"__proto__":{"sub":"eve"},'),
    (text) => text.replace("{", '{"a":{"b":1,"b":2},'),
    (text) => text.replace("{", `{"a":${"[".repeat(20)}${"]".repeat(20)},`),
    (text) => `\uFEFF${text}`,
    (text) => `[${text}]`,
    (text) => text.slice(0, -1),
    (text) => `${text},`,
    (text) => text.replaceAll('"', "'"),
  );
  return fc
    .tuple(spoil, fc.boolean())
    .map(([change, inHeader]) =>
      inHeader ? signText(key, change(header, "alg"), claims) : signText(key, header, change(claims, "sub")),
    );
}

/** The issuer's own signature under what is no access token for us. */
function unacceptable({ token, key }: Original): Forgery {
  const [head, payload] = partsOf(token)
    .slice(0, 2)
    .map((part) => decoded(part as string)) as [Members, Members];
  const { iat } = payload as { iat: number };
  const claims = fc.constantFrom<Members>(
    { exp: iat - 60, iat: iat - 120 },
    { exp: undefined },
    { exp: iat + 10 * 365 * 86_400 },
    { exp: `${iat + 60}` },
    { iat: undefined },
    { iat: iat + 3_600, exp: iat + 7_200 },
    { nbf: iat + 3_600 },
    { aud: "account" },
    { aud: undefined },
    { aud: [] },
    { iss: "https://other.example" },
    { sub: undefined },
    { sub: "" },
    { sub: { $ne: null } },
    { sid: 1 },
    { jti: [] },
    { typ: "ID" },
    { typ: "Refresh" },
    { typ: "Offline" },
    { typ: "Logout" },
    { cnf: { jkt: "thumbprint" } },
  );
  const headers = fc.constantFrom<Members>(
    { typ: undefined },
    { typ: "logout+jwt" },
    { typ: "JWT+at" },
    { kid: "other" },
    { alg: "none" },
    { crit: ["exp"], exp: 1 },
    { b64: true, crit: ["b64"] },
    { jwk: key.jwk },
    { zip: "DEF" },
  );
  return fc.oneof(
    claims.map((change) => signText(key, JSON.stringify(head), JSON.stringify({ ...payload, ...change }))),
    headers.map((change) => signText(key, JSON.stringify({ ...head, ...change }), JSON.stringify(payload))),
  );
}

/** Nothing like a token. */
const garbage: Forgery = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.base64String({ maxLength: 300 }),
  fc.tuple(fc.json(), fc.json(), attacker).map(([header, payload, by]) => {
    const input = `${encode(header)}.${encode(payload)}`;
    return `${input}.${signatureOf(by, input)}`;
  }),
);

/** The other signature (r, n − s) that ECDSA verifies as well. */
export function otherSpelling(token: string): string {
  const [head, payload, signature] = partsOf(token);
  const bytes = Buffer.from(signature, "base64url");
  const other = P256_ORDER - BigInt(`0x${bytes.subarray(32).toString("hex")}`);
  const hex = other.toString(16).padStart(64, "0");
  return `${head}.${payload}.${Buffer.concat([bytes.subarray(0, 32), Buffer.from(hex, "hex")]).toString("base64url")}`;
}
