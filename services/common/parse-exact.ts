import { Decimal } from "decimal.js";

/** What a value was written as; TypeScript's own types do not know it yet. */
interface Written {
  readonly source?: string;
}

const MAX_EXPONENT = 1_000;

/**
 * JSON with each number as its digits, in plain notation, so that none is rounded.
 * @throws SyntaxError
 */
export function parseExact(text: string): unknown {
  return JSON.parse(text, (_, value: unknown, { source }: Written = {}) =>
    typeof value === "number" && source !== undefined ? plain(source) : value,
  );
}

/**
 * JSON with each whole number as a bigint, other numbers as they are.
 * @throws SyntaxError
 */
export function parseWithBigInts(text: string): unknown {
  return JSON.parse(text, (_, value: unknown, { source }: Written = {}) =>
    typeof value === "number" && source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value,
  );
}

function plain(source: string): string {
  if (!/[eE]/.test(source)) return source;
  const number = new Decimal(source);
  return Math.abs(number.e) <= MAX_EXPONENT ? number.toFixed() : source;
}
