import assert from "node:assert/strict";
import { Decimal as SharedDecimal } from "decimal.js";

/** Digits before the point: a token's raw balance is a uint256, which has at most 78. */
export const MAX_INTEGER_DIGITS = 78;
/** Digits behind the point: as many again, well beyond 10^-30 and any token's decimals in use. */
export const MAX_FRACTION_DIGITS = 78;

/**
 * A quantity has up to 156 digits, its product with a price up to 312, and a sum of a million products 6 more. With
 * 320 digits, sums and products are exact, so that only divisions round, and each of those says how. Short numbers
 * cost nothing for it: what takes time is digits that are there.
 */
const PRECISION_DIGITS = 320;

/** Our own constructor, so that nobody else's settings of the shared one change our figures. */
export const Decimal = SharedDecimal.clone({
  defaults: true,
  precision: PRECISION_DIGITS,
  rounding: SharedDecimal.ROUND_HALF_EVEN,
});
export type Decimal = SharedDecimal;

export const ZERO = new Decimal(0);
export const ONE = new Decimal(1);
export const HUNDRED = new Decimal(100);

const PLAIN = new RegExp(`^-?\\d{1,${MAX_INTEGER_DIGITS}}(?:\\.\\d{1,${MAX_FRACTION_DIGITS}})?$`);

/** Whether a text is a decimal in plain notation, of a size that is computed exactly here. */
export function isDecimal(text: string): boolean {
  return PLAIN.test(text);
}

/** Reads a decimal string exactly. What came from outside was checked there, so that anything else is our own fault. */
export function decimal(text: string): Decimal {
  assert.ok(
    isDecimal(text),
    `${JSON.stringify(text.slice(0, 40))} is no plain decimal of at most ${MAX_INTEGER_DIGITS} digits before and ${MAX_FRACTION_DIGITS} behind the point`,
  );
  return new Decimal(text);
}

/** Reads a decimal string that must not be negative; `name` says in the error what it was. */
export function amount(text: string, name: string): Decimal {
  const value = decimal(text);
  assert.ok(!value.isNegative() || value.isZero(), `${name} must not be negative, and is ${text}`);
  return value;
}

/** Writes all digits: no exponent, no trailing zeros, no `-0`. */
export function plain(value: Decimal): string {
  return value.isZero() ? "0" : value.toFixed();
}

/** The exact sum. */
export function sum(values: Iterable<Decimal>): Decimal {
  let total = ZERO;
  for (const value of values) total = total.plus(value);
  return total;
}

/**
 * `dividend / divisor` of two numbers that are not negative, rounded **down** to `places` behind the point. Rounded once,
 * because the division is one of whole numbers.
 */
export function quotientDown(dividend: Decimal, divisor: Decimal, places: number): Decimal {
  const scale = Decimal.pow(10, places);
  return dividend.times(scale).divToInt(divisor).div(scale);
}

/** How many whole times `divisor` goes into `dividend`. */
export function timesInto(dividend: Decimal, divisor: Decimal): Decimal {
  return dividend.divToInt(divisor);
}

/** Orders texts by code unit: the same on each machine, whatever its language. */
export function compareTexts(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
