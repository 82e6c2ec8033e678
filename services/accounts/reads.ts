import { coalesce } from "../common/database/coalesce.ts";
import type { Position } from "../common/database/cursor.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import type { Query } from "../common/database/transaction.ts";
import { type AccountRow, columnsOf } from "./row.ts";

/** One user's page of accounts, oldest first, after a position. */
export interface ListKey {
  readonly userId: string;
  readonly after: Position;
  readonly limit: number;
}

export interface AccountKey {
  readonly userId: string;
  readonly id: string;
}

/** Which of the keys asked for a row belongs to, from 1. */
type AskedRow = AccountRow & { readonly position: string };

const LIST = `
  select asked.position, a.*
  from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::int[])
    with ordinality as asked (user_id, after_time, after_id, row_limit, position)
  cross join lateral (
    select ${columnsOf("page")} from accounts.accounts page
    where user_id = asked.user_id and (created_at, id) > (asked.after_time, asked.after_id)
    order by created_at, id
    limit asked.row_limit
  ) a
  order by asked.position, a.created_at, a.id`;

const GET = `
  select asked.position, ${columnsOf("a")}
  from unnest($1::uuid[], $2::uuid[]) with ordinality as asked (id, user_id, position)
  join accounts.accounts a on a.id = asked.id and a.user_id = asked.user_id`;

/** The hot reads, each put together with others of its kind that are asked for at the same time. */
export function accountReads(pool: ConnectionPool) {
  return {
    /** The rows of a page; empty when there are none. */
    list: coalesce<ListKey, AccountRow[]>({
      maxBatchSize: 100,
      maxBatches: 2,
      read: async (keys, askedAt) => {
        const values = [
          keys.map(({ userId }) => userId),
          keys.map(({ after }) => after.createdAt),
          keys.map(({ after }) => after.id),
          keys.map(({ limit }) => limit),
        ];
        const rows = await pool.query<AskedRow>({ name: "accounts.list", text: LIST, values }, askedAt);
        const pages = keys.map((): AccountRow[] => []);
        for (const row of rows) pages[Number(row.position) - 1]?.push(row);
        return pages;
      },
    }),

    /** The user's account of that id; undefined when there is none, or when it is someone else's. */
    get: coalesce<AccountKey, AccountRow | undefined>({
      maxBatchSize: 200,
      maxBatches: 2,
      read: (keys, askedAt) => readAccounts((statement) => pool.query(statement, askedAt), keys),
    }),
  };
}

/** The accounts of these keys, in their order, with one statement; undefined for those that there are not. */
export async function readAccounts(
  query: Query,
  keys: readonly AccountKey[],
): Promise<(AccountRow | undefined)[]> {
  const values = [keys.map(({ id }) => id), keys.map(({ userId }) => userId)];
  const rows = await query<AskedRow>({ name: "accounts.get", text: GET, values });
  const found = new Map(rows.map((row) => [Number(row.position) - 1, row]));
  return keys.map((_, position) => found.get(position));
}
