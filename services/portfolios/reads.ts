import { coalesce } from "../common/database/coalesce.ts";
import type { Position } from "../common/database/cursor.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import type { Portfolio } from "./contract/portfolio.ts";
import { columnsOf, type PortfolioRow, portfolioOf } from "./row.ts";

/** One user's page of portfolios, oldest first, after a position. */
export interface ListKey {
  readonly userId: string;
  readonly after: Position;
  readonly limit: number;
}

export interface PortfolioKey {
  readonly userId: string;
  readonly id: string;
}

/** Which of the keys asked for a row belongs to, from 1. */
type AskedRow = PortfolioRow & { readonly position: string };

const LIST = `
  select asked.position, ${columnsOf("p")}
  from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::int[])
    with ordinality as asked (user_id, after_time, after_id, row_limit, position)
  cross join lateral (
    select * from portfolios.portfolios
    where user_id = asked.user_id and (created_at, id) > (asked.after_time, asked.after_id)
    order by created_at, id
    limit asked.row_limit
  ) p
  order by asked.position, p.created_at, p.id`;

const GET = `
  select asked.position, ${columnsOf("p")}
  from unnest($1::uuid[], $2::uuid[]) with ordinality as asked (id, user_id, position)
  join portfolios.portfolios p on p.id = asked.id and p.user_id = asked.user_id`;

export type PortfolioReads = ReturnType<typeof portfolioReads>;

/** The hot reads, each put together with others of its kind that are asked for at the same time. */
export function portfolioReads(pool: ConnectionPool) {
  return {
    /** The rows of a page; empty when there are none. */
    list: coalesce<ListKey, PortfolioRow[]>({
      maxBatchSize: 200,
      maxBatches: 2,
      read: async (keys, askedAt) => {
        const values = [
          keys.map(({ userId }) => userId),
          keys.map(({ after }) => after.createdAt),
          keys.map(({ after }) => after.id),
          keys.map(({ limit }) => limit),
        ];
        const rows = await pool.query<AskedRow>({ name: "portfolios.list", text: LIST, values }, askedAt);
        const pages = keys.map((): PortfolioRow[] => []);
        for (const row of rows) pages[Number(row.position) - 1]?.push(row);
        return pages;
      },
    }),

    /** The user's portfolio of that id; undefined when there is none, or when it is someone else's. */
    get: coalesce<PortfolioKey, Portfolio | undefined>({
      maxBatchSize: 200,
      maxBatches: 2,
      read: async (keys, askedAt) => {
        const values = [keys.map(({ id }) => id), keys.map(({ userId }) => userId)];
        const rows = await pool.query<AskedRow>({ name: "portfolios.get", text: GET, values }, askedAt);
        const found = new Map(rows.map((row) => [Number(row.position) - 1, portfolioOf(row)]));
        return keys.map((_, position) => found.get(position));
      },
    }),
  };
}
