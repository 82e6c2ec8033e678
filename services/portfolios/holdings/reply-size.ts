import { tooLarge } from "../valuation.ts";

/** NATS takes messages up to 1 MB, and a reply is wrapped into one. */
const MAX_REPLY_BYTES = 950_000;
/** A row, with names and figures of the greatest length, has about 2 kB: so many need not be weighed. */
const ROWS_THAT_ALWAYS_FIT = 400;

/** The result, if it fits into one message. @throws PORTFOLIO_TOO_LARGE */
export function fitting<Result extends object>(result: Result, rows: number): Result {
  if (rows > ROWS_THAT_ALWAYS_FIT && Buffer.byteLength(JSON.stringify(result)) > MAX_REPLY_BYTES) {
    throw tooLarge();
  }
  return result;
}
