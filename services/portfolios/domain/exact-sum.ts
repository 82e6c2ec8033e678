import assert from "node:assert/strict";
import { Decimal, isDecimal, ZERO } from "./decimals.ts";

const LIMB_DIGITS = 12;
const LIMB_BASE = 10 ** LIMB_DIGITS;
/** 9,000 limbs of 12 digits, and what is carried into them, add up to less than 2^53: a double holds the sum exactly. */
const MAX_ADDENDS = 9_000;

/**
 * The exact sum of decimal strings that are not negative. Holdings of many accounts are added up a hundred thousand at a
 * time, and reading each into a Decimal first takes several times as long; here digits are added in limbs of twelve.
 */
export class ExactSum {
  /** From the point to the left. */
  readonly #whole: number[] = [];
  /** From the point to the right. */
  readonly #fraction: number[] = [];
  #addends = 0;
  #earlier = ZERO;

  add(text: string): void {
    assert.ok(isDecimal(text) && text[0] !== "-", `${JSON.stringify(text.slice(0, 40))} is no quantity`);
    if (this.#addends === MAX_ADDENDS) this.#earlier = this.total();
    this.#addends += 1;
    const point = text.indexOf(".");
    const wholeEnd = point < 0 ? text.length : point;
    for (let end = wholeEnd, limb = 0; end > 0; end -= LIMB_DIGITS, limb += 1)
      this.#whole[limb] = (this.#whole[limb] ?? 0) + Number(text.slice(Math.max(0, end - LIMB_DIGITS), end));
    if (point < 0) return;
    for (let start = point + 1, limb = 0; start < text.length; start += LIMB_DIGITS, limb += 1) {
      const digits = text.slice(start, start + LIMB_DIGITS);
      const value = Number(digits) * 10 ** (LIMB_DIGITS - digits.length);
      this.#fraction[limb] = (this.#fraction[limb] ?? 0) + value;
    }
  }

  /** The sum so far. */
  total(): Decimal {
    if (this.#addends === 0) return this.#earlier;
    let carry = 0;
    let text = "";
    const digitsOf = (limb: number) => {
      const sum = limb + carry;
      carry = Math.floor(sum / LIMB_BASE);
      return String(sum - carry * LIMB_BASE).padStart(LIMB_DIGITS, "0");
    };
    for (const limb of this.#fraction.toReversed()) text = digitsOf(limb) + text;
    if (text !== "") text = `.${text}`;
    for (const limb of this.#whole) text = digitsOf(limb) + text;
    this.#earlier = this.#earlier.plus(new Decimal(carry + text));
    this.#whole.length = 0;
    this.#fraction.length = 0;
    this.#addends = 0;
    return this.#earlier;
  }
}
