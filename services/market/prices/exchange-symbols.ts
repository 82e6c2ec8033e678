import { z } from "zod";
import type { ConnectionPool } from "../../common/database/pool.ts";
import { inTransaction } from "../../common/database/transaction.ts";
import type { Log } from "../../common/service.ts";
import { type Asking, askProvider } from "./ask-provider.ts";
import type { FetchLease } from "./fetch-lease.ts";
import { CoinId, ProviderError } from "./provider.ts";

/** Exchanges whose symbols CoinPaprika knows, by our names and by its ids. */
const EXCHANGES = { okx: "okx" } as const;
const MAX_MARKETS = 20_000;
const DAY_MS = 86_400_000;

/** What we take of a market: what is traded in it, as the exchange and as CoinPaprika call it. */
const Market = z.object({
  pair: z.string().regex(/^[^\s\p{C}/]{1,50}\/[^\s\p{C}/]{1,50}$/u),
  base_currency_id: CoinId,
});

// What the seeds or somebody before said stays.
const STORE = `
  insert into market.exchange_symbols (exchange, symbol, asset_id)
  select $1, told.symbol, a.id
  from unnest($2::text[], $3::text[]) as told (symbol, coin_id)
  join market.assets a on a.coinpaprika_id = told.coin_id
  on conflict do nothing
  returning symbol`;

export interface ExchangeSymbols {
  /** Learns what exchanges call the known assets, once a day over all replicas. */
  readonly learn: (signal: AbortSignal) => Promise<void>;
}

export interface ExchangeSymbolsOptions {
  readonly pool: ConnectionPool;
  readonly log: Log;
  readonly lease: FetchLease<{ readonly learned: number }>;
  readonly url: string;
  readonly asking: Omit<Asking, "provider">;
}

/** CoinPaprika's `GET /exchanges/{id}/markets`: an exchange's own symbols with the coins that they stand for. */
export function exchangeSymbols({ pool, log, lease, url, asking }: ExchangeSymbolsOptions): ExchangeSymbols {
  async function read(exchange: keyof typeof EXCHANGES, signal: AbortSignal): Promise<Map<string, string>> {
    const at = `${url}/exchanges/${EXCHANGES[exchange]}/markets`;
    const answer = await askProvider({ ...asking, provider: "CoinPaprika" }, at, signal);
    const markets = Array.isArray(answer) ? answer.slice(0, MAX_MARKETS) : [];
    return coinsBySymbol(markets.flatMap((market) => Market.safeParse(market).data ?? []));
  }

  return {
    async learn(signal) {
      const taken = await lease.take(new Date(Date.now() - DAY_MS).toISOString());
      if (!("token" in taken)) return;
      let learned = 0;
      try {
        for (const exchange of Object.keys(EXCHANGES) as (keyof typeof EXCHANGES)[]) {
          const coins = await read(exchange, signal);
          const values = [exchange, [...coins.keys()], [...coins.values()]];
          learned += (await pool.query({ name: "market.exchange-symbols.store", text: STORE, values }))
            .length;
        }
        if (learned > 0) log.info(`Exchange symbols learned: ${learned}`);
      } catch (error) {
        // What exchanges call their coins is no reason to fetch prices again; tomorrow is another day.
        if (!(error instanceof ProviderError) || signal.aborted) throw error;
        log.warn(`Exchange symbols could not be learned: ${error.message}`);
      }
      await inTransaction(pool, (query) => lease.finish(query, taken.token, { learned }));
    },
  };
}

/** A symbol that stands for two coins at one exchange stands for none. */
export function coinsBySymbol(markets: readonly z.output<typeof Market>[]): Map<string, string> {
  const coins = new Map<string, string>();
  const ambiguous = new Set<string>();
  for (const { pair, base_currency_id } of markets) {
    const symbol = pair.slice(0, pair.indexOf("/"));
    if ((coins.get(symbol) ?? base_currency_id) !== base_currency_id) ambiguous.add(symbol);
    coins.set(symbol, base_currency_id);
  }
  for (const symbol of ambiguous) coins.delete(symbol);
  return coins;
}
