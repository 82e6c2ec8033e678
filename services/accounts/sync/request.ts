import { randomUUIDv7 } from "node:crypto";
import type { Query } from "../../common/database/transaction.ts";
import type { Writing } from "../../common/database/writing.ts";
import type { Jobs } from "../../common/jobs.ts";
import { problem } from "../../common/problem.ts";
import { type AccountType, MAX_ACCOUNTS_PER_USER } from "../contract.ts";
import type { AccountKey } from "../reads.ts";
import { addSyncJob } from "./job.ts";

/** What asking for a sync stands on. */
export interface RequestTools {
  readonly db: Pick<Writing, "transaction">;
  readonly jobs: Pick<Jobs, "add">;
}

interface Asked {
  readonly id: string;
  readonly account_type: AccountType;
  readonly is_active: boolean;
}

const ACCOUNT = "select id, account_type, is_active from accounts.accounts where id = $1 and user_id = $2";

const SYNCABLE = `
  select id from accounts.accounts
  where user_id = $1 and is_active and account_type <> 'manual'
  order by created_at, id
  limit ${MAX_ACCOUNTS_PER_USER}`;

// One that is open stays the account's only one. In the order of ids, so that two who ask at once wait and do not block
// each other.
const OPEN = `
  insert into accounts.syncs (id, account_id, user_id)
  select asked.id, a.id, a.user_id
  from unnest($1::uuid[], $2::uuid[]) as asked (id, account_id)
  join accounts.accounts a on a.id = asked.account_id
  order by a.id
  on conflict (account_id) where state in ('queued', 'running') do nothing`;

// Those that only a schedule has asked for so far get a place before the others'.
const HURRY = `
  update accounts.syncs set is_urgent = true, changed_at = now()
  where account_id = any($1) and state = 'queued' and attempts = 0 and not is_urgent
  returning id`;

const LATEST = `
  select distinct on (account_id) id, account_id from accounts.syncs
  where account_id = any($1)
  order by account_id, state in ('queued', 'running') desc, id desc`;

/**
 * Asks for a sync of an account; whoever asks while one is open is given that one.
 * @returns its id.
 * @throws ACCOUNT_NOT_FOUND, ACCOUNT_NOT_SYNCABLE.
 */
export function requestSync(tools: RequestTools, { id, userId }: AccountKey): Promise<string> {
  return tools.db.transaction(async (query) => {
    const values = [id, userId];
    const [account] = await query<Asked>({ name: "accounts.syncs.account", text: ACCOUNT, values });
    if (!account) throw problem("ACCOUNT_NOT_FOUND");
    checkSyncable(account);
    const [sync] = await request(tools, query, [id]);
    // Deleted since.
    if (sync === undefined) throw problem("ACCOUNT_NOT_FOUND");
    return sync;
  });
}

/** Asks for a sync of each of the user's active accounts. @returns their ids, those of the oldest accounts first. */
export function requestAllSyncs(tools: RequestTools, userId: string): Promise<string[]> {
  return tools.db.transaction(async (query) => {
    const statement = { name: "accounts.syncs.syncable", text: SYNCABLE, values: [userId] };
    const accounts = await query<{ id: string }>(statement);
    return request(
      tools,
      query,
      accounts.map(({ id }) => id),
    );
  });
}

async function request(
  { jobs }: RequestTools,
  query: Query,
  accountIds: readonly string[],
): Promise<string[]> {
  if (accountIds.length === 0) return [];
  const ids = accountIds.map(() => randomUUIDv7());
  await query({ name: "accounts.syncs.open", text: OPEN, values: [ids, accountIds] });
  const values = [accountIds];
  const hurried = await query<{ id: string }>({ name: "accounts.syncs.hurry", text: HURRY, values });
  for (const { id } of hurried) await addSyncJob(jobs, query, id);
  type Latest = { id: string; account_id: string };
  const rows = await query<Latest>({ name: "accounts.syncs.latest", text: LATEST, values });
  const latest = new Map(rows.map(({ id, account_id }) => [account_id, id]));
  return accountIds.flatMap((id) => latest.get(id) ?? []);
}

function checkSyncable({ account_type, is_active }: Asked): void {
  if (account_type === "manual") {
    throw problem("ACCOUNT_NOT_SYNCABLE", {
      detail: "A manual account has nothing to be read from: set what is in it with PUT …/holdings.",
    });
  }
  if (!is_active) {
    throw problem("ACCOUNT_NOT_SYNCABLE", {
      detail: "The account is not active: set is_active to true to have it synced.",
    });
  }
}
