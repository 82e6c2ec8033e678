import { type PriceServer, startPriceServer } from "./price-server.ts";

/** A coin of CoinGecko's; its price is written as it is here. */
export interface GeckoCoin {
  readonly id: string;
  readonly symbol: string;
  readonly name: string;
  readonly price: string;
  /** Now, unless given. */
  readonly last_updated?: string;
}

export interface CoinGecko extends PriceServer {
  /** What `/coins/markets` has to answer from. */
  coins: GeckoCoin[];
}

const MAX_PAGE_SIZE = 250;

/** CoinGecko's API as it is documented: GET /coins/markets for the ids that are asked for, page by page. */
export async function startCoinGecko(coins: readonly GeckoCoin[] = []): Promise<CoinGecko> {
  const state: Pick<CoinGecko, "coins"> = { coins: [...coins] };
  const server = await startPriceServer(({ pathname, searchParams }) => {
    if (pathname !== "/coins/markets" || searchParams.get("vs_currency") !== "usd") return undefined;
    const ids = new Set(searchParams.get("ids")?.split(","));
    const size = Math.min(Number(searchParams.get("per_page") ?? 100), MAX_PAGE_SIZE);
    const start = (Number(searchParams.get("page") ?? 1) - 1) * size;
    const found = state.coins.filter(({ id }) => ids.has(id)).slice(start, start + size);
    return `[${found.map((coin, index) => marketOf(coin, start + index + 1)).join(",")}]`;
  });
  return Object.assign(state, server);
}

function marketOf({ id, symbol, name, price, last_updated }: GeckoCoin, rank: number): string {
  const text = JSON.stringify({ id, symbol, name, image: "https://assets.example/coin.png" }).slice(1, -1);
  return `{${text},"current_price":${price},"market_cap":1317802988326.25,"market_cap_rank":${rank},
    "fully_diluted_valuation":1407110474600,"total_volume":31260929299.5248,"high_24h":68338,"low_24h":66767,
    "price_change_24h":-13.2,"price_change_percentage_24h":3.12502,"circulating_supply":19675962,
    "max_supply":null,"ath":73738,"ath_date":"2024-03-14T07:10:36.635Z","roi":null,
    "last_updated":"${last_updated ?? new Date().toISOString()}"}`;
}
