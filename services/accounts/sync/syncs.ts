import { coalesce } from "../../common/database/coalesce.ts";
import type { ConnectionPool } from "../../common/database/pool.ts";
import { isoTime } from "../../common/database/times.ts";
import type { Job, JobState } from "../contract/sync.ts";

/** A sync that was asked for, as our own statements read it. */
export interface SyncRow {
  readonly id: string;
  readonly account_id: string;
  readonly state: JobState;
  readonly attempts: number;
  readonly error: string | null;
  /** How many were stored when it ended; how many are now, while it goes on. */
  readonly holdings_count: number;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly finished_at: string | null;
}

export interface SyncKey {
  readonly id: string;
  readonly userId: string;
}

const GET = `
  select asked.position, s.id, s.account_id, s.state, s.attempts, s.error, s.created_at, s.started_at, s.finished_at,
    coalesce(
      s.holdings_count, (select count(*)::int from accounts.holdings h where h.account_id = s.account_id)
    ) as holdings_count
  from unnest($1::uuid[], $2::uuid[]) with ordinality as asked (id, user_id, position)
  join accounts.syncs s on s.id = asked.id and s.user_id = asked.user_id`;

/** Reads syncs by id; undefined for one that there is not, or that is of another user. Many at a time are one statement. */
export function syncReads(pool: ConnectionPool): (key: SyncKey) => Promise<SyncRow | undefined> {
  return coalesce<SyncKey, SyncRow | undefined>({
    maxBatchSize: 500,
    maxBatches: 2,
    read: async (keys, askedAt) => {
      const values = [keys.map(({ id }) => id), keys.map(({ userId }) => userId)];
      const statement = { name: "accounts.syncs.get", text: GET, values };
      const rows = await pool.query<SyncRow & { readonly position: string }>(statement, askedAt);
      const found = new Map(rows.map((row) => [Number(row.position) - 1, row]));
      return keys.map((_, position) => found.get(position));
    },
  });
}

export function hasEnded({ state }: Pick<SyncRow, "state">): boolean {
  return state === "succeeded" || state === "failed";
}

/** The wire's form of a row: what is absent is left out. */
export function jobOf(row: SyncRow): Job {
  return {
    id: row.id,
    account_id: row.account_id,
    state: row.state,
    success: row.state === "succeeded",
    ...(row.error !== null && { error: row.error }),
    holdings_count: row.holdings_count,
    attempts: row.attempts,
    created_at: isoTime(row.created_at),
    ...(row.started_at !== null && { started_at: isoTime(row.started_at) }),
    ...(row.finished_at !== null && { finished_at: isoTime(row.finished_at) }),
  };
}
