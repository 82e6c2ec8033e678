import { coalesce } from "../common/database/coalesce.ts";
import type { Position } from "../common/database/cursor.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import { isoTime } from "../common/database/times.ts";
import type { Guardrails, Portfolio, TargetAllocation } from "./contract.ts";

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

interface Row {
  readonly position: string;
  readonly id: string;
  readonly user_id: string;
  readonly name: string;
  readonly description: string | null;
  readonly is_default: boolean;
  readonly target_allocation: TargetAllocation | null;
  readonly guardrails: Guardrails | null;
  readonly last_constructed_at: string | null;
  readonly created_at: string;
  readonly updated_at: string;
  readonly version: number;
}

const COLUMNS = `p.id, p.user_id, p.name, p.description, p.is_default, p.target_allocation, p.guardrails,
  p.last_constructed_at, p.created_at, p.updated_at, p.version`;

const LIST = `
  select asked.position, ${COLUMNS}
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
  select asked.position, ${COLUMNS}
  from unnest($1::uuid[], $2::uuid[]) with ordinality as asked (id, user_id, position)
  join portfolios.portfolios p on p.id = asked.id and p.user_id = asked.user_id`;

/** The hot reads, each put together with others of its kind that are asked for at the same time. */
export function portfolioReads(pool: ConnectionPool) {
  return {
    /** The portfolios of a page; empty when there are none. */
    list: coalesce<ListKey, Portfolio[]>({
      maxBatchSize: 200,
      maxBatches: 2,
      read: async (keys) => {
        const rows = await pool.query<Row>({
          name: "portfolios.list",
          text: LIST,
          values: [
            keys.map(({ userId }) => userId),
            keys.map(({ after }) => after.createdAt),
            keys.map(({ after }) => after.id),
            keys.map(({ limit }) => limit),
          ],
        });
        const pages = keys.map((): Portfolio[] => []);
        for (const row of rows) pages[Number(row.position) - 1]?.push(portfolioOf(row));
        return pages;
      },
    }),

    /** The user's portfolio of that id; undefined when there is none, or when it is someone else's. */
    get: coalesce<PortfolioKey, Portfolio | undefined>({
      maxBatchSize: 200,
      maxBatches: 2,
      read: async (keys) => {
        const values = [keys.map(({ id }) => id), keys.map(({ userId }) => userId)];
        const rows = await pool.query<Row>({ name: "portfolios.get", text: GET, values });
        const found = new Map(rows.map((row) => [Number(row.position) - 1, portfolioOf(row)]));
        return keys.map((_, position) => found.get(position));
      },
    }),
  };
}

/** The wire's form of a row: what is absent is left out. */
function portfolioOf(row: Row): Portfolio {
  return {
    id: row.id,
    user_id: row.user_id,
    name: row.name,
    ...(row.description !== null && { description: row.description }),
    is_default: row.is_default,
    ...(row.target_allocation !== null && { target_allocation: row.target_allocation }),
    ...(row.guardrails !== null && { guardrails: row.guardrails }),
    ...(row.last_constructed_at !== null && { last_constructed_at: isoTime(row.last_constructed_at) }),
    created_at: isoTime(row.created_at),
    updated_at: isoTime(row.updated_at),
    version: row.version,
  };
}
