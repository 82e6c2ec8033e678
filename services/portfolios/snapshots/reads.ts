import { coalesce } from "../../common/database/coalesce.ts";
import {
  cursorAfter as afterCreation,
  positionOf as positionOfCreation,
} from "../../common/database/cursor.ts";
import type { ConnectionPool } from "../../common/database/pool.ts";
import { MAX_PAGE_BYTES, nextCursor } from "../../common/page.ts";
import { MAX_PAGE_SIZE } from "../../common/values.ts";
import type { Snapshot, SnapshotType } from "../contract/snapshots.ts";
import type { PortfolioKey } from "../reads.ts";
import { cursorAfter, positionOf, type SnapshotPosition } from "./cursor.ts";
import { COLUMNS, type SnapshotRow, snapshotOf } from "./row.ts";

export interface ListKey {
  readonly portfolio: PortfolioKey;
  /** Both are inside; as far as there are days unless given. */
  readonly startDate: string | undefined;
  readonly endDate: string | undefined;
  readonly type: SnapshotType | undefined;
  /** The cursor of the page before. */
  readonly cursor: string | undefined;
  readonly limit: number | undefined;
}

export interface SnapshotPage {
  readonly snapshots: Snapshot[];
  readonly total_count: number;
  readonly next_cursor?: string;
}

interface Asked {
  /** Which of the keys asked for the row belongs to, from 1. */
  readonly position: string;
}
/** Left-joined: all of a row, or nothing. */
type ListRow = Asked & { readonly total_count: number; readonly left_over: string | null } & (
    | SnapshotRow
    | { readonly id: null }
  );

const MATCHES = `
  s.portfolio_id = p.id and s.snapshot_date between asked.start_date and asked.end_date
  and (asked.type is null or s.snapshot_type = asked.type)`;
const LATEST_FIRST = "s.snapshot_date desc, s.created_at desc, s.id desc";

/** PostgreSQL adds the sizes up, so that what does not fit is not even read. */
const LIST = `
  select asked.position, counted.total_count, s.left_over, ${COLUMNS}
  from unnest(
    $1::uuid[], $2::uuid[], $3::date[], $4::date[], $5::text[], $6::date[], $7::timestamptz[], $8::uuid[], $9::int[]
  ) with ordinality as asked (
    id, user_id, start_date, end_date, type, before_date, before_time, before_id, row_limit, position
  )
  join portfolios.portfolios p on p.id = asked.id and p.user_id = asked.user_id
  cross join lateral (
    select count(*)::int as total_count from portfolios.snapshots s where ${MATCHES}
  ) counted
  left join lateral (
    select s.*, count(*) over () as left_over, row_number() over latest_first as place,
      sum(s.size_bytes) over latest_first as bytes
    from portfolios.snapshots s
    where ${MATCHES}
      and (s.snapshot_date, s.created_at, s.id) < (asked.before_date, asked.before_time, asked.before_id)
    window latest_first as (order by ${LATEST_FIRST})
    order by ${LATEST_FIRST}
    limit asked.row_limit
  ) s on s.place = 1 or s.bytes <= ${MAX_PAGE_BYTES}
  order by asked.position, ${LATEST_FIRST}`;

const EXPORT = `
  select s.left_over, ${COLUMNS}
  from (
    select s.*, count(*) over () as left_over, row_number() over oldest_first as place,
      sum(s.size_bytes) over oldest_first as bytes
    from portfolios.snapshots s
    join portfolios.portfolios p on p.id = s.portfolio_id
    where p.user_id = $1 and (s.created_at, s.id) > ($2::timestamptz, $3::uuid)
    window oldest_first as (order by s.created_at, s.id)
    order by s.created_at, s.id
    limit ${MAX_PAGE_SIZE}
  ) s
  where s.place = 1 or s.bytes <= ${MAX_PAGE_BYTES}
  order by s.created_at, s.id`;

export type SnapshotReads = ReturnType<typeof snapshotReads>;

/** What is read of snapshots; pages are put together with others that are asked for at the same time. */
export function snapshotReads(pool: ConnectionPool) {
  const readPage = coalesce<ListKey & { readonly before: SnapshotPosition }, SnapshotPage | undefined>({
    maxBatchSize: 20,
    maxBatches: 2,
    read: async (keys, askedAt) => {
      const values = [
        keys.map(({ portfolio }) => portfolio.id),
        keys.map(({ portfolio }) => portfolio.userId),
        keys.map(({ startDate }) => startDate ?? "-infinity"),
        keys.map(({ endDate }) => endDate ?? "infinity"),
        keys.map(({ type }) => type ?? null),
        keys.map(({ before }) => before.day),
        keys.map(({ before }) => before.createdAt),
        keys.map(({ before }) => before.id),
        keys.map(({ limit }) => limit ?? MAX_PAGE_SIZE),
      ];
      const rows = await pool.query<ListRow>(
        { name: "portfolios.list-snapshots", text: LIST, values },
        askedAt,
      );
      const byKey = Map.groupBy(rows, ({ position }) => Number(position) - 1);
      return keys.map((_, position) => pageOfRows(byKey.get(position)));
    },
  });

  return {
    /**
     * A page, latest day first, no larger than a message; undefined where the user has no such portfolio.
     * @throws VALIDATION_FAILED when the cursor is none of ours.
     */
    async list(key: ListKey): Promise<SnapshotPage | undefined> {
      return readPage({ ...key, before: positionOf(key.cursor) });
    },

    /** A page of all that is kept for a user, oldest first. */
    async exportPage(userId: string, cursor: string | undefined) {
      const { createdAt, id } = positionOfCreation(cursor);
      const rows = await pool.query<SnapshotRow & { readonly left_over: string }>({
        name: "portfolios.export-snapshots",
        text: EXPORT,
        values: [userId, createdAt, id],
      });
      return { items: rows.map(snapshotOf), ...nextCursor(rows, afterCreation) };
    },
  };
}

function pageOfRows(rows: readonly ListRow[] | undefined): SnapshotPage | undefined {
  const [first] = rows ?? [];
  if (!rows || !first) return undefined;
  const found = rows.filter((row): row is ListRow & SnapshotRow => row.id !== null);
  return {
    snapshots: found.map(snapshotOf),
    total_count: first.total_count,
    ...nextCursor(found, cursorAfter),
  };
}
