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

/** More coins than this are not taken from one answer; those at its end are the smallest. */
const MAX_COINS = 30_000;

/** What we take of a ticker; a number arrives as its digits. */
const Ticker = z.object({
  id: CoinId,
  name: CoinName,
  symbol: z.string(),
  rank: z.string().nullish(),
  last_updated: LastUpdated,
  quotes: z.object({
    USD: z.object({
      price: z.string().nullish(),
      volume_24h: z.string().nullish(),
      market_cap: z.string().nullish(),
      percent_change_24h: z.string().nullish(),
    }),
  }),
});

/** CoinPaprika's `GET /tickers`: all active coins at once. */
export function coinPaprika(url: string, asking: Omit<Asking, "provider">): PriceProvider {
  return {
    name: "coinpaprika",
    async fetch(signal) {
      const answer = await askProvider({ ...asking, provider: "CoinPaprika" }, `${url}/tickers`, signal);
      const tickers = Array.isArray(answer) ? answer.slice(0, MAX_COINS) : [];
      const coins = tickers.flatMap(coinOf);
      if (coins.length > 0) return eachOnce(coins);
      throw new ProviderError("unexpected_answer", "CoinPaprika answered, but with no coin that has a price");
    },
  };
}

function coinOf(ticker: unknown): ProviderCoin[] {
  const { success, data } = Ticker.safeParse(ticker);
  const price_usd = priceOf(data?.quotes.USD.price);
  if (!success || price_usd === undefined) return [];
  const { id, name, symbol, rank, last_updated, quotes } = data;
  return [
    {
      id,
      name,
      symbol,
      rank: rankOf(rank),
      price_usd,
      as_of: last_updated ?? null,
      market_cap_usd: figureOf(quotes.USD.market_cap),
      volume_24h_usd: figureOf(quotes.USD.volume_24h),
      percent_change_24h: figureOf(quotes.USD.percent_change_24h),
    },
  ];
}
