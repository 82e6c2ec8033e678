import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { figureOf, priceOf, rankOf } from "../domain/provider-figures.ts";
import { type Asking, askProvider } from "./ask-provider.ts";
import {
  CoinId,
  CoinName,
  eachOnce,
  LastUpdated,
  type PriceProvider,
  type ProviderCoin,
  ProviderError,
} from "./provider.ts";

/** As many coins as CoinGecko answers per page, */
const PAGE_SIZE = 250;
/** and as many ids as fit into a URL of 8 kB. */
const IDS_PER_PAGE = 200;
/** CoinGecko's free plans take some 30 requests per minute. */
const PAGE_PAUSE_MS = 2_000;

/** What we take of a market; a number arrives as its digits. */
const Market = z.object({
  id: CoinId,
  name: CoinName,
  symbol: z.string(),
  current_price: z.string().nullish(),
  market_cap: z.string().nullish(),
  market_cap_rank: z.string().nullish(),
  total_volume: z.string().nullish(),
  price_change_percentage_24h: z.string().nullish(),
  last_updated: LastUpdated,
});

/** CoinGecko's `GET /coins/markets` for coins of these ids. */
export function coinGecko(
  url: string,
  asking: Omit<Asking, "provider">,
  ids: readonly string[],
  pagePauseMs = PAGE_PAUSE_MS,
): PriceProvider {
  return {
    name: "coingecko",
    async fetch(signal) {
      const coins: ProviderCoin[] = [];
      for (let start = 0; start < ids.length; start += IDS_PER_PAGE) {
        // When the time is over, the next question says so.
        if (start > 0) await pause(pagePauseMs, undefined, { signal }).catch(() => undefined);
        const page = ids.slice(start, start + IDS_PER_PAGE);
        const answer = await askProvider({ ...asking, provider: "CoinGecko" }, pageUrl(url, page), signal);
        if (Array.isArray(answer)) coins.push(...answer.slice(0, PAGE_SIZE).flatMap(coinOf));
      }
      if (coins.length > 0) return eachOnce(coins);
      throw new ProviderError("unexpected_answer", "CoinGecko answered, but with no coin that has a price");
    },
  };
}

function pageUrl(url: string, ids: readonly string[]): string {
  const query = new URLSearchParams({
    vs_currency: "usd",
    ids: ids.join(","),
    per_page: String(PAGE_SIZE),
    page: "1",
    precision: "full",
  });
  return `${url}/coins/markets?${query}`;
}

function coinOf(market: unknown): ProviderCoin[] {
  const { success, data } = Market.safeParse(market);
  const price_usd = priceOf(data?.current_price);
  if (!success || price_usd === undefined) return [];
  return [
    {
      id: data.id,
      name: data.name,
      symbol: data.symbol,
      rank: rankOf(data.market_cap_rank),
      price_usd,
      as_of: data.last_updated ?? null,
      market_cap_usd: figureOf(data.market_cap),
      volume_24h_usd: figureOf(data.total_volume),
      percent_change_24h: figureOf(data.price_change_percentage_24h),
    },
  ];
}
