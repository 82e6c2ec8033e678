import fc from "fast-check";

/** Quantities of all sizes from 10^-30 to 10^30, in plain notation. */
export const quantities = fc
  .tuple(fc.bigInt({ min: 0n, max: 10n ** 31n }), fc.integer({ min: 0, max: 30 }))
  .map(([digits, places]) => plainOf(digits, places));

/** Quantities as they are in wallets: up to a million, up to 18 places. */
export const commonQuantities = fc
  .tuple(fc.bigInt({ min: 0n, max: 10n ** 6n }), fc.integer({ min: 0, max: 18 }))
  .map(([digits, places]) => plainOf(digits, places));

function plainOf(digits: bigint, places: number): string {
  if (places === 0) return String(digits);
  const padded = String(digits).padStart(places + 1, "0");
  return `${padded.slice(0, -places)}.${padded.slice(-places)}`;
}
