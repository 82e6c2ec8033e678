import { setTimeout as pause } from "node:timers/promises";
import type { ConnectionPool } from "../../common/database/pool.ts";
import { inTransaction, type Query } from "../../common/database/transaction.ts";
import type { Log } from "../../common/service.ts";
import type { FetchLease } from "./fetch-lease.ts";
import type { PriceMetrics } from "./price-metrics.ts";
import { type PriceProvider, type ProviderCoin, ProviderError, type ProviderName } from "./provider.ts";
import { storePrices } from "./store-prices.ts";

/** What a fetch has brought, as its callers are told. */
export interface FetchReport {
  readonly coins_fetched: number;
  readonly assets_created: number;
  readonly assets_updated: number;
  readonly prices_stored: number;
  /** What went wrong although prices came. */
  readonly error?: string;
}

/** New prices are there; stored in the transaction that stores them. */
export interface PricesUpdated {
  readonly count: number;
  readonly source: ProviderName;
  /** The time of the newest. */
  readonly as_of: string;
}

export interface PriceFetchOptions {
  readonly pool: ConnectionPool;
  readonly log: Log;
  readonly lease: FetchLease<FetchReport>;
  readonly metrics: PriceMetrics;
  /** Asked first; tells of all coins. */
  readonly main: PriceProvider;
  /** Asked for the coins of these ids, which the first one did not tell of. */
  readonly fallback: (ids: readonly string[]) => PriceProvider;
  readonly updated: (query: Query, event: PricesUpdated) => Promise<void>;
  /** How often it is asked whether another replica's fetch has ended; a second unless given. */
  readonly pollMs?: number;
}

export interface PriceFetches {
  /**
   * Fetches prices and stores them, once over all replicas: whoever asks meanwhile gets the report of the fetch that
   * runs. It goes on when its callers are gone.
   * @throws {PricesUnavailable} when no provider tells any.
   */
  readonly run: (asked?: {
    /** A fetch that has ended at or after this moment (RFC 3339) will do. */
    readonly since?: string | undefined;
    /** Ends it; nothing is stored then. */
    readonly signal?: AbortSignal;
  }) => Promise<FetchReport>;
  /** Ends what runs in this replica, and begins nothing more. */
  readonly end: () => Promise<void>;
}

/** No provider told any price; the message is a sentence for administrators. */
export class PricesUnavailable extends Error {
  override readonly name = "PricesUnavailable";
}

/** For one provider, all its attempts and pages included. */
const PROVIDER_LIMIT_MS = 45_000;
/** More coins than this are not asked the fallback for. */
const MAX_FALLBACK_COINS = 2_000;
const POLL_MS = 1_000;
/** Longer than a lease: whoever holds it has ended by then, or is gone. */
const MAX_POLLS = 300;

// What the main provider told of needs no other; null ids are ours to ignore.
const LACKING = `
  select coingecko_id as id from market.assets
  where is_active and coingecko_id is not null and (coinpaprika_id is null or coinpaprika_id <> all($1))
  order by created_at, id
  limit ${MAX_FALLBACK_COINS}`;

export function priceFetches(options: PriceFetchOptions): PriceFetches {
  const ending = new AbortController();
  let running: { readonly report: Promise<FetchReport>; readonly controller: AbortController } | undefined;

  function begin(since: string | undefined) {
    const controller = new AbortController();
    const signal = AbortSignal.any([controller.signal, ending.signal]);
    const report = fetchOnce(options, since, signal).finally(() => {
      running = undefined;
    });
    return { report, controller };
  }

  return {
    async run({ since, signal } = {}) {
      running ??= begin(since);
      const { report, controller } = running;
      const abort = () => controller.abort(signal?.reason);
      if (signal?.aborted) abort();
      signal?.addEventListener("abort", abort);
      return await report.finally(() => signal?.removeEventListener("abort", abort));
    },
    async end() {
      ending.abort(new PricesUnavailable("Fetching prices was ended: this replica stops."));
      await running?.report.catch(() => undefined);
    },
  };
}

/** Fetches, unless another replica does or has done since. */
async function fetchOnce(options: PriceFetchOptions, since: string | undefined, signal: AbortSignal) {
  const { lease, pollMs = POLL_MS } = options;
  let from = since;
  for (let poll = 0; poll < MAX_POLLS; poll += 1) {
    signal.throwIfAborted();
    const taken = await lease.take(from);
    if ("report" in taken) return taken.report;
    if ("token" in taken) {
      return await fetchWith(options, taken.token, signal).catch(async (error: unknown) => {
        // If the database is away, the lease ends by itself.
        await lease.release(taken.token).catch(() => undefined);
        throw error;
      });
    }
    from ??= taken.now;
    // An abort is thrown at the beginning of the next round.
    await pause(pollMs, undefined, { signal }).catch(() => undefined);
  }
  throw new PricesUnavailable("Another replica has been fetching prices for too long; try again later.");
}

interface Told {
  readonly source: ProviderName;
  readonly coins: readonly ProviderCoin[];
}

async function fetchWith(
  options: PriceFetchOptions,
  token: string,
  signal: AbortSignal,
): Promise<FetchReport> {
  const { pool, log, main, fallback } = options;
  const startedAt = performance.now();
  const told: Told[] = [];
  const faults: string[] = [];
  const ask = async (provider: PriceProvider) => {
    const { coins, fault } = await askOne(provider, options, signal);
    if (coins) told.push({ source: provider.name, coins });
    if (fault) faults.push(fault);
  };
  await ask(main);
  const mainIds = told.flatMap(({ coins }) => coins.map(({ id }) => id));
  const lacking = await pool.query<{ id: string }>({
    name: "market.prices.lacking",
    text: LACKING,
    values: [mainIds],
  });
  if (lacking.length > 0) await ask(fallback(lacking.map(({ id }) => id)));
  signal.throwIfAborted();
  if (told.length === 0) {
    throw new PricesUnavailable(`No prices could be fetched; the last ones stay. ${faults.join("; ")}.`);
  }
  const report = await store(options, token, told, faults);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const sources = told.map(({ source, coins }) => `${coins.length} coins of ${source}`).join(", ");
  const figures = `${report.prices_stored} newer prices, ${report.assets_created} new assets, in ${seconds} s`;
  if (report.error) log.warn(`Prices fetched: ${sources}; ${figures}. ${report.error}`);
  else log.info(`Prices fetched: ${sources}; ${figures}`);
  return report;
}

async function askOne(provider: PriceProvider, { metrics }: PriceFetchOptions, signal: AbortSignal) {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PROVIDER_LIMIT_MS)]);
  try {
    const coins = await provider.fetch(limit);
    metrics.fetched(provider.name, "ok");
    return { coins };
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    metrics.fetched(provider.name, error.fault);
    return { fault: error.message };
  }
}

/** In one transaction, so that the prices, the event of them and the report are there together or not at all. */
function store(
  { pool, lease, updated }: PriceFetchOptions,
  token: string,
  told: readonly Told[],
  faults: readonly string[],
): Promise<FetchReport> {
  return inTransaction(pool, async (query) => {
    await lease.hold(query, token);
    const sum = { coins_fetched: 0, assets_created: 0, assets_updated: 0, prices_stored: 0 };
    for (const { source, coins } of told) {
      const { created, updated: known, prices, newest } = await storePrices(query, source, coins);
      sum.coins_fetched += coins.length;
      sum.assets_created += created;
      sum.assets_updated += known;
      sum.prices_stored += prices;
      if (newest) await updated(query, { count: prices, source, as_of: newest });
    }
    const report = { ...sum, ...(faults.length > 0 && { error: `${faults.join("; ")}.` }) };
    await lease.finish(query, token, report);
    return report;
  });
}
