import type { Guardrails } from "../contract/portfolio.ts";
import { compareTexts, plain } from "./decimals.ts";
import { type AssetKinds, GUARDRAIL_DEFAULTS, limitOf } from "./guardrail-states.ts";
import type { Position } from "./positions.ts";
import type { Terms, Tradable } from "./rebalancing-assets.ts";

/**
 * All figures that a rebalancing depends on, as one text: equal for equal inputs, whatever their order or spelling. The
 * times of the prices are no part of it: a price that was fetched again and is the same makes no other recommendation.
 */
export function canonicalInputs(
  positions: readonly Position[],
  assets: readonly Tradable[],
  terms: Terms,
  guardrails: Guardrails,
  kinds: AssetKinds,
): string {
  const lots = new Map(assets.map(({ key, lot }) => [key, plain(lot)]));
  const names = Object.keys(GUARDRAIL_DEFAULTS) as (keyof typeof GUARDRAIL_DEFAULTS)[];
  return JSON.stringify({
    positions: positions
      .toSorted((one, other) => compareTexts(one.key, other.key))
      .map(({ key, quantity, available, price, target }) => [
        key,
        plain(quantity),
        plain(available),
        price && plain(price),
        plain(target),
        lots.get(key) ?? null,
        kinds.stablecoins.has(key),
        kinds.majors.has(key),
        kinds.futures.has(key),
      ]),
    guardrails: names.map((name) => [name, plain(limitOf(guardrails, name))]),
    terms: [
      plain(terms.minimum),
      plain(terms.fee),
      plain(terms.cashIn),
      plain(terms.cashOut),
      terms.buyOnly,
      terms.depth,
    ],
  });
}
