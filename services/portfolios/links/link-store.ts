import { randomUUIDv7 } from "node:crypto";
import type { Position } from "../../common/database/cursor.ts";
import type { ConnectionPool } from "../../common/database/pool.ts";
import { isoTime } from "../../common/database/times.ts";
import type { Query } from "../../common/database/transaction.ts";
import { type Writing, writingTo } from "../../common/database/writing.ts";
import { problem } from "../../common/problem.ts";
import { type AccountLink, MAX_LINKED_ACCOUNTS } from "../contract/links.ts";
import type { PortfolioKey } from "../reads.ts";

/** A link as the list of a portfolio's accounts is read. */
export interface LinkRow {
  readonly id: string;
  readonly account_id: string;
  /** When it was added. */
  readonly created_at: string;
}

const LOCK = "select id from portfolios.portfolios where id = $1 and user_id = $2 for update";

// One microsecond apart, so that what is linked at once keeps the order in which it was given.
const INSERT = `
  insert into portfolios.portfolio_accounts (id, portfolio_id, account_id, user_id, added_at)
  select asked.id, $1, asked.account_id, $2, statement_timestamp() + position * interval '1 microsecond'
  from unnest($3::uuid[], $4::uuid[]) with ordinality as asked (account_id, id, position)
  on conflict (portfolio_id, account_id) do nothing
  returning id, account_id, added_at::text`;

/**
 * Links an account that is the user's.
 * @throws PORTFOLIO_NOT_FOUND, ACCOUNT_ALREADY_LINKED, TOO_MANY_LINKED_ACCOUNTS
 */
export function addLink(db: Writing, key: PortfolioKey, accountId: string): Promise<AccountLink> {
  return changing(db, key, async (query) => {
    const [count] = await query<{ links: number; is_linked: boolean }>({
      name: "portfolios.count-links",
      text: `select count(*)::int as links, coalesce(bool_or(account_id = $2), false) as is_linked
             from portfolios.portfolio_accounts where portfolio_id = $1`,
      values: [key.id, accountId],
    });
    if (count?.is_linked) throw problem("ACCOUNT_ALREADY_LINKED");
    if (count && count.links >= MAX_LINKED_ACCOUNTS) throw tooMany();
    const [link] = await insert(query, key, [accountId]);
    if (!link) throw problem("ACCOUNT_ALREADY_LINKED");
    return { ...link, portfolio_id: key.id, added_at: isoTime(link.added_at) };
  });
}

/**
 * Makes these accounts, which are the user's, the linked ones; those that were linked before stay as they are.
 * Answers the accounts' ids in the order in which they were linked.
 * @throws PORTFOLIO_NOT_FOUND
 */
export function replaceLinks(
  pool: ConnectionPool,
  key: PortfolioKey,
  accountIds: readonly string[],
): Promise<string[]> {
  return changing(writingTo(pool), key, async (query) => {
    await query({
      name: "portfolios.unlink-others",
      text: "delete from portfolios.portfolio_accounts where portfolio_id = $1 and account_id <> all ($2)",
      values: [key.id, accountIds],
    });
    if (accountIds.length > 0) await insert(query, key, accountIds);
    const rows = await query<{ account_id: string }>({
      name: "portfolios.linked-accounts",
      text: `select account_id from portfolios.portfolio_accounts where portfolio_id = $1
             order by added_at, id`,
      values: [key.id],
    });
    return rows.map(({ account_id }) => account_id);
  });
}

/** Unlinks an account. @throws PORTFOLIO_NOT_FOUND, ACCOUNT_NOT_LINKED */
export async function removeLink(pool: ConnectionPool, key: PortfolioKey, accountId: string): Promise<void> {
  const [answer] = await pool.query<{ exists: boolean; was_linked: boolean }>({
    name: "portfolios.unlink",
    text: `
      with mine as (select id from portfolios.portfolios where id = $1 and user_id = $2),
      gone as (
        delete from portfolios.portfolio_accounts
        where portfolio_id in (select id from mine) and account_id = $3
        returning 1
      )
      select exists (select from mine) as exists, exists (select from gone) as was_linked`,
    values: [key.id, key.userId, accountId],
  });
  if (!answer?.exists) throw problem("PORTFOLIO_NOT_FOUND");
  if (!answer.was_linked) throw problem("ACCOUNT_NOT_LINKED");
}

/** So many links of a portfolio of the user's, after a position. @throws PORTFOLIO_NOT_FOUND */
export async function listLinks(
  pool: ConnectionPool,
  { id, userId }: PortfolioKey,
  after: Position,
  limit: number,
): Promise<LinkRow[]> {
  const rows = await pool.query<LinkRow | { readonly id: null }>({
    name: "portfolios.list-links",
    text: `
      select l.id, l.account_id, l.added_at as created_at
      from portfolios.portfolios p
      left join lateral (
        select id, account_id, added_at from portfolios.portfolio_accounts
        where portfolio_id = p.id and (added_at, id) > ($3::timestamptz, $4::uuid)
        order by added_at, id
        limit $5
      ) l on true
      where p.id = $1 and p.user_id = $2
      order by l.added_at, l.id`,
    values: [id, userId, after.createdAt, after.id, limit],
  });
  if (rows.length === 0) throw problem("PORTFOLIO_NOT_FOUND");
  return rows.filter((row) => row.id !== null);
}

interface Inserted {
  readonly id: string;
  readonly account_id: string;
  readonly added_at: string;
}

function insert(query: Query, key: PortfolioKey, accountIds: readonly string[]): Promise<Inserted[]> {
  return query<Inserted>({
    name: "portfolios.link",
    text: INSERT,
    values: [key.id, key.userId, accountIds, accountIds.map(() => randomUUIDv7())],
  });
}

/** Changes the links of a portfolio while nobody else does. */
function changing<Result>(
  db: Writing,
  key: PortfolioKey,
  work: (query: Query) => Promise<Result>,
): Promise<Result> {
  return db.transaction(async (query) => {
    const statement = { name: "portfolios.lock", text: LOCK, values: [key.id, key.userId] };
    const [portfolio] = await query(statement);
    if (!portfolio) throw problem("PORTFOLIO_NOT_FOUND");
    return work(query);
  });
}

function tooMany(): Error {
  return problem("TOO_MANY_LINKED_ACCOUNTS", {
    detail: `A portfolio is made of at most ${MAX_LINKED_ACCOUNTS} accounts.`,
  });
}
