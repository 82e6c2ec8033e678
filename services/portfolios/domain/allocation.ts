import type { Holdings } from "./holdings.ts";

export interface StoredHolding {
  readonly asset: string;
  readonly chain?: string;
  readonly quantity: string;
  readonly price_usd?: string;
  readonly value_usd: string;
  /** In percent; all of them add up to 100, or are 0. */
  readonly weight: string;
  readonly unpriced: boolean;
}

export interface StoredAllocation {
  readonly total_value_usd: string;
  readonly holdings: readonly StoredHolding[];
}

/** What `construct` and snapshots keep of the holdings. What has no price is kept with value 0, weight 0 and no price. */
export function storedAllocation({ total_value_usd, holdings, allocation }: Holdings): StoredAllocation {
  return {
    total_value_usd,
    holdings: holdings.map(({ asset, chain, total_quantity, price_usd, value_usd, unpriced }, index) => ({
      asset,
      ...(chain === undefined ? {} : { chain }),
      quantity: total_quantity,
      ...(price_usd === null ? {} : { price_usd }),
      value_usd: value_usd ?? "0",
      weight: allocation[index]?.percentage ?? "0",
      unpriced,
    })),
  };
}
