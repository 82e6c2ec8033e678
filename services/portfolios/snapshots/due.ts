import type { ConnectionPool } from "../../common/database/pool.ts";
import type { SnapshotType } from "../contract/snapshots.ts";
import type { PortfolioKey } from "../reads.ts";

/** Portfolios per job: what a failure or a lost replica costs is the rest of these. */
export const BATCH_SIZE = 50;
/** Batches that are stored at once. */
const BATCHES_PER_PLAN = 100;

/** Before every id. */
export const FIRST_ID = "00000000-0000-0000-0000-000000000000";

/** All portfolios with these ids; the first is outside, the last inside. */
export interface Range {
  readonly after: string;
  readonly through: string;
}

// A portfolio without accounts is worth nothing each hour of each day; nobody needs to be told that.
const HAS_ACCOUNTS = "exists (select from portfolios.portfolio_accounts a where a.portfolio_id = p.id)";

/** The next ranges of portfolios of which snapshots are to be taken, a batch each, and whether there may be more. */
export async function nextRanges(
  pool: ConnectionPool,
  after: string,
): Promise<{ ranges: Range[]; mayHaveMore: boolean }> {
  const rows = await pool.query<{ id: string }>({
    name: "portfolios.next-snapshot-ranges",
    text: `
      select id from (
        select p.id, row_number() over (order by p.id) as place, lead(p.id) over (order by p.id) as next
        from (
          select p.id from portfolios.portfolios p where p.id > $1 and ${HAS_ACCOUNTS} order by p.id limit $2
        ) p
      ) placed
      where place % $3 = 0 or next is null
      order by id`,
    values: [after, BATCH_SIZE * BATCHES_PER_PLAN, BATCH_SIZE],
  });
  const ends = rows.map(({ id }) => id);
  const ranges = ends.map((through, index) => ({ after: ends[index - 1] ?? after, through }));
  return { ranges, mayHaveMore: ranges.length === BATCHES_PER_PLAN };
}

/** Of a range, the portfolios that have no snapshot of the day and type yet that was valued since it was due. */
export async function stillDue(
  pool: ConnectionPool,
  { after, through }: Range,
  type: SnapshotType,
  due: string,
): Promise<PortfolioKey[]> {
  return pool.query<{ id: string; userId: string }>({
    name: "portfolios.snapshots-still-due",
    text: `
      select p.id, p.user_id as "userId" from portfolios.portfolios p
      where p.id > $1 and p.id <= $2 and ${HAS_ACCOUNTS} and not exists (
        select from portfolios.snapshots s
        where s.portfolio_id = p.id and s.snapshot_type = $3
          and s.snapshot_date = ($4::timestamptz at time zone 'UTC')::date and s.valued_at >= $4::timestamptz
      )
      order by p.id
      limit ${BATCH_SIZE}`,
    values: [after, through, type, due],
  });
}

/** Deletes hourly snapshots of days before the last so many, in parts; answers how many. */
export async function pruneHourly(pool: ConnectionPool, days: number, signal: AbortSignal): Promise<number> {
  for (let deleted = 0; ; ) {
    signal.throwIfAborted();
    const rows = await pool.query({
      name: "portfolios.prune-hourly-snapshots",
      text: `
        delete from portfolios.snapshots where id in (
          select id from portfolios.snapshots
          where snapshot_type = 'hourly' and snapshot_date <= (now() at time zone 'UTC')::date - $1::int
          limit ${PRUNED_AT_ONCE} for update skip locked
        )
        returning id`,
      values: [days],
    });
    deleted += rows.length;
    if (rows.length < PRUNED_AT_ONCE) return deleted;
  }
}

/** So that no statement holds locks for long. */
const PRUNED_AT_ONCE = 1_000;
