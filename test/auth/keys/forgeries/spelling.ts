import fc from "fast-check";
import { encode } from "../tokens.ts";
import { type Forgery, type Original, partsOf } from "./original.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** One character or one byte of one part is another. */
export function flipped({ token }: Original): Forgery {
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
export function misspelt({ token }: Original): Forgery {
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

/** Parts of two good tokens. */
export function mixed(original: Original, originals: readonly Original[]): Forgery {
  const parts = partsOf(original.token);
  return fc.tuple(fc.constantFrom(...originals), fc.nat(2)).map(([{ token }, index]) => {
    const other = partsOf(token);
    return parts.map((part, position) => (position === index ? other[position] : part)).join(".");
  });
}
