import { Decimal } from "decimal.js";

/** A JSON number, its exponent no larger than what can be written out. */
const NUMBER = /^-?\d{1,100}(\.\d{1,100})?([eE][+-]?\d{1,3})?$/;
/** What has more digits before or after the point is no price, no volume and no percentage. */
const MAX_DIGITS = 40;

/** A JSON number's text without exponent, to the last digit; undefined for what is none, or beyond all reason. */
export function plainDecimal(text: string): string | undefined {
  if (!NUMBER.test(text)) return undefined;
  const decimal = new Decimal(text);
  const plain = decimal.isZero() ? "0" : decimal.toFixed();
  const [whole = "", fraction = ""] = plain.replace("-", "").split(".");
  return whole.length > MAX_DIGITS || fraction.length > MAX_DIGITS ? undefined : plain;
}

/** A price that can be one: above zero. */
export function priceOf(text: string | null | undefined): string | undefined {
  const plain = text == null ? undefined : plainDecimal(text);
  return plain === undefined || plain === "0" || plain.startsWith("-") ? undefined : plain;
}

/** A figure that is only told beside a price: null when it is none. */
export function figureOf(text: string | null | undefined): string | null {
  return (text == null ? undefined : plainDecimal(text)) ?? null;
}

/** A place among the largest coins, from 1; null for a coin that has none. */
export function rankOf(text: string | null | undefined): number | null {
  return text != null && /^[1-9]\d{0,6}$/.test(text) ? Number(text) : null;
}
