import { Decimal, ONE, plain } from "./decimals.ts";

/** Returns are fractions (0.05 is 5 %) rounded half to even to 12 places, a ten-thousandth of a millionth of a percent. */
export const RETURN_PLACES = 12;

/**
 * For divisions, roots and powers, whose results have no end: 60 digits, so that thousands of roundings stay far behind
 * the 12 places that are shown.
 */
export const Inexact = Decimal.clone({ precision: 60 });

/** A growth factor as a return: factor − 1, rounded. */
export function returnOf(factor: Decimal): string {
  return plain(factor.minus(ONE).toDecimalPlaces(RETURN_PLACES, Decimal.ROUND_HALF_EVEN));
}
