import type { ConnectionPool } from "../../common/database/pool.ts";

/** Every price of a coin is kept for so long; after that the last one of each day (UTC). */
const FULL_HISTORY_DAYS = 30;
/** Rows per statement, so that none takes long. */
const BATCH_SIZE = 5_000;
/** So many in one run: 5 million rows, ten days' worth of 5,000 coins. */
const MAX_BATCHES = 1_000;

const PRUNE_HISTORY = `
  delete from market.price_history
  where ctid = any (array(
    select ctid from market.price_history where as_of < now() - make_interval(days => $1)
    order by as_of limit ${BATCH_SIZE}))
  returning 1`;

const PRUNE_DAYS = `
  delete from market.daily_prices
  where ctid = any (array(
    select ctid from market.daily_prices where day < (now() at time zone 'UTC')::date - $1::integer
    order by day limit ${BATCH_SIZE}))
  returning 1`;

/** Deletes what is older than history is kept, in small steps. @returns how many rows. */
export async function prunePrices(
  pool: ConnectionPool,
  historyDays: number,
  signal: AbortSignal,
): Promise<number> {
  const fullDays = Math.min(FULL_HISTORY_DAYS, historyDays);
  const history = { name: "market.prices.prune-history", text: PRUNE_HISTORY, values: [fullDays] };
  const days = { name: "market.prices.prune-days", text: PRUNE_DAYS, values: [historyDays] };
  let deleted = 0;
  for (const statement of [history, days]) {
    for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
      signal.throwIfAborted();
      const rows = await pool.query(statement);
      deleted += rows.length;
      if (rows.length < BATCH_SIZE) break;
    }
  }
  return deleted;
}
