import fc from "fast-check";
import { ALGORITHMS, type Algorithm } from "../../../../services/auth/algorithms.ts";
import { createKey, type Members, type SigningKey } from "../tokens.ts";

/** A good token with what it was made of. */
export interface Original {
  readonly token: string;
  readonly key: SigningKey;
}

export type Forgery = fc.Arbitrary<string>;

/** Keys of somebody else that go by the issuer's key ids. */
export const attackersKeys = Object.fromEntries(ALGORITHMS.map((each) => [each, createKey(each)])) as Record<
  Algorithm,
  SigningKey
>;
export const attacker = fc.constantFrom(...Object.values(attackersKeys));

export const partsOf = (token: string) => token.split(".") as [string, string, string];
export const decoded = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString()) as Members;
