import { type PriceServer, startPriceServer } from "./price-server.ts";

/** A coin of CoinPaprika's; its numbers are written as they are here. */
export interface PaprikaCoin {
  readonly id: string;
  readonly symbol: string;
  readonly name: string;
  readonly rank?: number;
  readonly price: string;
  /** Now, unless given. */
  readonly last_updated?: string;
  readonly percent_change_24h?: string;
}

export interface CoinPaprika extends PriceServer {
  /** What `/tickers` answers. */
  coins: PaprikaCoin[];
  /** What `/exchanges/{id}/markets` answers: the pair's name and the coin that is traded. */
  markets: Record<string, { readonly pair: string; readonly base_currency_id: string }[]>;
}

/** CoinPaprika's API as it is documented: GET /tickers and GET /exchanges/{id}/markets. */
export async function startCoinPaprika(coins: readonly PaprikaCoin[] = []): Promise<CoinPaprika> {
  const state: Pick<CoinPaprika, "coins" | "markets"> = { coins: [...coins], markets: {} };
  const server = await startPriceServer(({ pathname }) => {
    if (pathname === "/tickers") return `[${state.coins.map(tickerOf).join(",")}]`;
    const [, exchange] = /^\/exchanges\/([^/]+)\/markets$/.exec(pathname) ?? [];
    const markets = exchange === undefined ? undefined : state.markets[exchange];
    return markets && JSON.stringify(markets.map(marketOf));
  });
  return Object.assign(state, server);
}

function tickerOf(coin: PaprikaCoin): string {
  const { id, symbol, name, rank = 0, price, percent_change_24h = "-0.53" } = coin;
  const last_updated = coin.last_updated ?? new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const text = JSON.stringify({ id, name, symbol, rank, last_updated }).slice(1, -1);
  return `{${text},"total_supply":17007062,"max_supply":21000000,"beta_value":0.735327,
    "first_data_at":"2010-11-14T07:20:41Z","quotes":{"USD":{"price":${price},"volume_24h":7304267139.02,
    "volume_24h_change_24h":-2.5,"market_cap":91094433242,"market_cap_change_24h":1.6,"percent_change_15m":0,
    "percent_change_30m":0,"percent_change_1h":0,"percent_change_6h":0,"percent_change_12h":1e-7,
    "percent_change_24h":${percent_change_24h},"percent_change_7d":-0.26,"percent_change_30d":-13.06,
    "percent_change_1y":36.4,"ath_price":20089,"ath_date":"2017-12-17T12:19:00Z","percent_from_price_ath":-73.24}}}`;
}

function marketOf({ pair, base_currency_id }: { pair: string; base_currency_id: string }) {
  const [, quote = ""] = pair.split("/");
  return {
    pair,
    base_currency_id,
    base_currency_name: base_currency_id,
    quote_currency_id: `${quote.toLowerCase()}-id`,
    quote_currency_name: quote,
    market_url: "https://exchange.example/trade",
    category: "Spot",
    fee_type: "Percentage",
    outlier: false,
    trust_score: "high",
    last_updated: "2026-01-01T00:00:00Z",
  };
}
