import { coalesce } from "../../common/database/coalesce.ts";
import { cursorAfter, type Position, positionOf } from "../../common/database/cursor.ts";
import type { ConnectionPool } from "../../common/database/pool.ts";
import type { Query } from "../../common/database/transaction.ts";
import { MAX_PAGE_BYTES, nextCursor } from "../../common/page.ts";
import { MAX_PAGE_SIZE } from "../../common/values.ts";
import type {
  Recommendation,
  RecommendationStatus,
  RecommendationType,
} from "../contract/recommendation-members.ts";
import type { PortfolioKey } from "../reads.ts";
import { COLUMNS, type RecommendationRow, recommendationOf, STATUS } from "./row.ts";

export interface ListKey {
  readonly portfolio: PortfolioKey;
  readonly status: RecommendationStatus | undefined;
  readonly type: RecommendationType | undefined;
  /** The cursor of the page before. */
  readonly cursor: string | undefined;
  readonly limit: number | undefined;
}

export interface RecommendationKey {
  readonly portfolio: PortfolioKey;
  readonly id: string;
}

export interface RecommendationPage {
  readonly recommendations: Recommendation[];
  readonly total_count: number;
  readonly next_cursor?: string;
}

/** Undefined where the user has no such portfolio. */
type Answer<Value> = Value | undefined;

interface Asked {
  /** Which of the keys asked for the row belongs to, from 1. */
  readonly position: string;
}
/** What is asked for left-joined: all of a row, or nothing. */
type ListRow = Asked & { readonly total_count: number; readonly left_over: string | null } & (
    | RecommendationRow
    | { readonly id: null }
  );
type GetRow = Asked & (RecommendationRow | { readonly id: null });

const MATCHES = `
  r.portfolio_id = p.id
  and (asked.status is null or ${STATUS} = asked.status)
  and (asked.type is null or r.recommendation_type = asked.type)`;

/** PostgreSQL adds the sizes up, so that what does not fit is not even read. */
const LIST = `
  select asked.position, counted.total_count, r.left_over, ${COLUMNS}
  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[], $7::int[])
    with ordinality as asked (id, user_id, status, type, before_time, before_id, row_limit, position)
  join portfolios.portfolios p on p.id = asked.id and p.user_id = asked.user_id
  cross join lateral (
    select count(*)::int as total_count from portfolios.recommendations r where ${MATCHES}
  ) counted
  left join lateral (
    select r.*, count(*) over () as left_over, row_number() over newest_first as place,
      sum(r.size_bytes) over newest_first as bytes
    from portfolios.recommendations r
    where ${MATCHES} and (r.created_at, r.id) < (asked.before_time, asked.before_id)
    window newest_first as (order by r.created_at desc, r.id desc)
    order by r.created_at desc, r.id desc
    limit asked.row_limit
  ) r on r.place = 1 or r.bytes <= ${MAX_PAGE_BYTES}
  order by asked.position, r.created_at desc, r.id desc`;

const GET = `
  select asked.position, ${COLUMNS}
  from unnest($1::uuid[], $2::uuid[], $3::uuid[])
    with ordinality as asked (portfolio_id, user_id, id, position)
  join portfolios.portfolios p on p.id = asked.portfolio_id and p.user_id = asked.user_id
  left join portfolios.recommendations r on r.id = asked.id and r.portfolio_id = p.id`;

const PENDING = `
  select ${COLUMNS}
  from portfolios.recommendations r
  join portfolios.portfolios p on p.id = r.portfolio_id
  where p.id = $1 and p.user_id = $2 and r.inputs_hash = $3 and ${STATUS} = 'pending'`;

const EXPORT = `
  select r.left_over, ${COLUMNS}
  from (
    select r.*, count(*) over () as left_over, row_number() over oldest_first as place,
      sum(r.size_bytes) over oldest_first as bytes
    from portfolios.recommendations r
    join portfolios.portfolios p on p.id = r.portfolio_id
    where p.user_id = $1 and (r.created_at, r.id) > ($2, $3)
    window oldest_first as (order by r.created_at, r.id)
    order by r.created_at, r.id
    limit ${MAX_PAGE_SIZE}
  ) r
  where r.place = 1 or r.bytes <= ${MAX_PAGE_BYTES}
  order by r.created_at, r.id`;

/** Before which there is no row of a list that has the newest first. */
const NEWEST: Position = { createdAt: "infinity", id: "ffffffff-ffff-ffff-ffff-ffffffffffff" };

/** What is read of recommendations; the hot reads are put together with others of their kind. */
export function recommendationReads(pool: ConnectionPool) {
  const readPage = coalesce<ListKey & { readonly before: Position }, Answer<RecommendationPage>>({
    maxBatchSize: 20,
    maxBatches: 2,
    read: async (keys, askedAt) => {
      const values = [
        keys.map(({ portfolio }) => portfolio.id),
        keys.map(({ portfolio }) => portfolio.userId),
        keys.map(({ status }) => status ?? null),
        keys.map(({ type }) => type ?? null),
        keys.map(({ before }) => before.createdAt),
        keys.map(({ before }) => before.id),
        keys.map(({ limit }) => limit ?? MAX_PAGE_SIZE),
      ];
      const rows = await pool.query<ListRow>(
        { name: "portfolios.list-recommendations", text: LIST, values },
        askedAt,
      );
      const byKey = Map.groupBy(rows, ({ position }) => Number(position) - 1);
      return keys.map((_, position) => pageOfRows(byKey.get(position)));
    },
  });

  return {
    /** A page, newest first, no larger than a message. @throws VALIDATION_FAILED when the cursor is none of ours. */
    async list(key: ListKey): Promise<Answer<RecommendationPage>> {
      const before = key.cursor === undefined ? NEWEST : positionOf(key.cursor);
      return readPage({ ...key, before });
    },

    /** Null where the portfolio has no such recommendation. */
    get: coalesce<RecommendationKey, Answer<Recommendation | null>>({
      maxBatchSize: 50,
      maxBatches: 2,
      read: (keys, askedAt) => getRecommendations((statement) => pool.query(statement, askedAt), keys),
    }),

    /** The one that is pending and was computed with these inputs. */
    async pending({ id, userId }: PortfolioKey, inputsHash: string): Promise<Recommendation | undefined> {
      const values = [id, userId, inputsHash];
      const [row] = await pool.query<RecommendationRow>({
        name: "portfolios.pending-recommendation",
        text: PENDING,
        values,
      });
      return row && recommendationOf(row);
    },

    /** A page of all that is kept for a user, oldest first. */
    async exportPage(userId: string, cursor: string | undefined) {
      const { createdAt, id } = positionOf(cursor);
      const rows = await pool.query<RecommendationRow & { left_over: string }>({
        name: "portfolios.export-recommendations",
        text: EXPORT,
        values: [userId, createdAt, id],
      });
      return { items: rows.map(recommendationOf), ...nextCursor(rows, cursorAfter) };
    },
  };
}

/** One for each key; null where the portfolio has no such recommendation. */
export async function getRecommendations(
  query: Query,
  keys: readonly RecommendationKey[],
): Promise<Answer<Recommendation | null>[]> {
  const values = [
    keys.map(({ portfolio }) => portfolio.id),
    keys.map(({ portfolio }) => portfolio.userId),
    keys.map(({ id }) => id),
  ];
  const rows = await query<GetRow>({ name: "portfolios.get-recommendation", text: GET, values });
  const found = new Map(rows.map((row) => [Number(row.position) - 1, row]));
  return keys.map((_, position) => {
    const row = found.get(position);
    return row && (row.id === null ? null : recommendationOf(row));
  });
}

function pageOfRows(rows: readonly ListRow[] | undefined): Answer<RecommendationPage> {
  const [first] = rows ?? [];
  if (!rows || !first) return undefined;
  const found = rows.filter((row): row is ListRow & RecommendationRow => row.id !== null);
  return {
    recommendations: found.map(recommendationOf),
    total_count: first.total_count,
    ...nextCursor(found, cursorAfter),
  };
}
