import type { Contract } from "../../common/contract.ts";
import type { ConnectionPool } from "../../common/database/pool.ts";
import { inTransaction, type Query } from "../../common/database/transaction.ts";
import type { Writing } from "../../common/database/writing.ts";
import type { Handlers } from "../../common/implement.ts";
import { openJobs, type TaskContext } from "../../common/jobs.ts";
import type { Log, OpenService } from "../../common/service.ts";
import type { MarketConfig } from "../config.ts";
import type { priceActions } from "../contract/prices.ts";
import type { Fetch } from "./ask-provider.ts";
import { coinGecko } from "./coin-gecko.ts";
import { coinPaprika } from "./coin-paprika.ts";
import { exchangeSymbols } from "./exchange-symbols.ts";
import { fetchLease } from "./fetch-lease.ts";
import { type FetchReport, PricesUnavailable, type PricesUpdated, priceFetches } from "./fetch-prices.ts";
import { priceMetrics } from "./price-metrics.ts";
import { prunePrices } from "./prune-prices.ts";

export interface PricesOptions {
  readonly pool: ConnectionPool;
  readonly config: MarketConfig;
  readonly log: Log;
  /** Asks the providers. */
  readonly fetch: Fetch;
  /** Tells that there are new prices, in the transaction that stores them. */
  readonly updated: (query: Query, event: PricesUpdated) => Promise<void>;
}

/** The part of the service that keeps prices. */
export interface Prices {
  readonly handlers: Handlers<Contract<"market", typeof priceActions>, never>;
  readonly begin: () => Promise<void>;
  readonly end: (limitMs?: number) => Promise<void>;
  readonly metrics: NonNullable<OpenService["metrics"]>;
}

/** A time that was missed is caught up with for a day; of several, the first fetch does for all. */
const CATCH_UP_SECONDS = 86_400;
/** Of one time of the schedule; the next one comes anyway. */
const MAX_FETCH_ATTEMPTS = 3;
/** Once a day, when little else is done. */
const PRUNE_CRON = "20 3 * * *";

/** Fetches prices on schedule and when asked, and forgets those that are too old. */
export function openPrices({ pool, config, log, fetch, updated }: PricesOptions): Prices {
  const metrics = priceMetrics(pool, config.maxPriceAgeSeconds);
  const { coinPaprika: paprika, coinGecko: gecko } = config;
  const lease = fetchLease<FetchReport>(pool, "prices");
  const fetches = priceFetches({
    pool,
    log,
    lease,
    metrics,
    main: coinPaprika(paprika.url, { fetch, headers: paprika.headers }),
    fallback: (ids) => coinGecko(gecko.url, { fetch, headers: gecko.headers }, ids),
    updated,
  });
  const symbols = exchangeSymbols({
    pool,
    log,
    lease: fetchLease(pool, "exchange symbols"),
    url: paprika.url,
    asking: { fetch, headers: paprika.headers },
  });

  const jobs = openJobs({
    service: "market",
    pool,
    log,
    tasks: {
      fetchPrices: (_payload, context) => fetchAll({ fetches, symbols, log }, context),
      prunePrices: async (_payload, { signal }) => {
        const deleted = await prunePrices(pool, config.priceHistoryDays, signal);
        if (deleted > 0) log.info(`Prices pruned: ${deleted} rows were older than history is kept`);
      },
    },
    schedules: [
      ...(config.isFetchEnabled
        ? [{ task: "fetchPrices", cron: config.fetchCron, catchUpSeconds: CATCH_UP_SECONDS }]
        : []),
      { task: "prunePrices", cron: PRUNE_CRON, catchUpSeconds: CATCH_UP_SECONDS },
    ],
  });

  return {
    handlers: {
      async fetchAllCoins({ problem, once }) {
        // A fetch that has ended since the request came first is the one that it asked for, however often it is sent.
        return once(askedNow, async (since) => {
          const report = await fetches.run({ since }).catch((error: unknown) => {
            if (!(error instanceof PricesUnavailable)) throw error;
            throw problem("PROVIDER_UNAVAILABLE", { detail: error.message });
          });
          return { success: true, ...report };
        });
      },
    },
    async begin() {
      await metrics.begin();
      await jobs.begin();
      // A new installation need not wait for the schedule with nothing but samples.
      if (!config.isFetchEnabled || (await lease.isFinished())) return;
      const options = { key: "first fetch", keyMode: "unsafe_dedupe" } as const;
      await inTransaction(pool, (query) => jobs.add(query, "fetchPrices", {}, options));
    },
    async end(limitMs) {
      metrics.end();
      await jobs.end(limitMs);
      await fetches.end();
    },
    metrics: {
      metrics: [...metrics.registered.metrics, ...jobs.metrics.metrics],
      collect() {
        metrics.registered.collect();
        jobs.metrics.collect();
      },
    },
  };
}

interface Fetching {
  readonly fetches: ReturnType<typeof priceFetches>;
  readonly symbols: ReturnType<typeof exchangeSymbols>;
  readonly log: Log;
}

async function fetchAll({ fetches, symbols, log }: Fetching, context: TaskContext): Promise<void> {
  const { attempt, scheduledFor, signal } = context;
  try {
    await fetches.run({ since: scheduledFor, signal });
  } catch (error) {
    const isLast = attempt >= MAX_FETCH_ATTEMPTS && error instanceof PricesUnavailable && !signal.aborted;
    if (!isLast) throw error;
    log.warn(`${error.message} The next attempt comes with the schedule.`);
    return;
  }
  // After the prices, because only coins that are known can be recognized.
  await symbols.learn(signal);
}

/** The database's time, by which fetches end, too. */
async function askedNow(db: Writing): Promise<string> {
  const [row] = await db.query<{ now: string }>({ text: "select clock_timestamp()::text as now" });
  if (!row) throw new Error("The database did not tell its time.");
  return row.now;
}
