import fc from "fast-check";
import { encode, signatureOf } from "../tokens.ts";
import { ambiguous, unacceptable, withOtherClaims, withOtherHeader } from "./content.ts";
import { attacker, type Forgery, type Original } from "./original.ts";
import { signedBySomebodyElse, withOtherSignature } from "./signature.ts";
import { flipped, misspelt, mixed } from "./spelling.ts";

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

/** Nothing like a token. */
const garbage: Forgery = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.base64String({ maxLength: 300 }),
  fc.tuple(fc.json(), fc.json(), attacker).map(([header, payload, by]) => {
    const input = `${encode(header)}.${encode(payload)}`;
    return `${input}.${signatureOf(by, input)}`;
  }),
);
