import { amount, type Decimal, plain, sum, ZERO } from "./decimals.ts";
import { type Figure, known, unknown } from "./figure.ts";
import type { Disposal, Ledger } from "./lots.ts";

export type GainReason =
  /** Something that was sold, or is held, has an unknown basis. */
  "unknown_basis" | "unknown_proceeds" | "missing_price";

/** proceeds after fees − basis. What was sold without having been there counts at a basis of 0. */
export function gainOf({ proceeds, basis }: Disposal): Figure<GainReason> {
  if (!proceeds) return unknown("unknown_proceeds");
  return basis ? known(plain(proceeds.minus(basis))) : unknown("unknown_basis");
}

/** The sum of all gains; unknown as soon as one is, since a sum without it would pass for the whole. */
export function realisedGain({ disposals }: Ledger): Figure<GainReason> {
  const gains: Decimal[] = [];
  for (const disposal of disposals) {
    const { proceeds, basis } = disposal;
    if (!proceeds || !basis) return gainOf(disposal);
    gains.push(proceeds.minus(basis));
  }
  return known(plain(sum(gains)));
}

/** quantity × price − basis of what is left; 0 where nothing is. */
export function unrealisedGain({ lots }: Ledger, priceUsd: string | null): Figure<GainReason> {
  if (lots.length === 0) return known("0");
  if (priceUsd === null) return unknown("missing_price");
  const price = amount(priceUsd, "price_usd");
  let gain = ZERO;
  for (const { quantity, basis } of lots) {
    if (!basis) return unknown("unknown_basis");
    gain = gain.plus(quantity.times(price).minus(basis));
  }
  return known(plain(gain));
}

/** What was sold without having been there. */
export function missingQuantity({ disposals }: Ledger): string {
  return plain(sum(disposals.map(({ missing_quantity }) => missing_quantity)));
}
