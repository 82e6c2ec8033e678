import type { ConnectionPool } from "../../common/database/pool.ts";
import { retryLostRaces } from "../../common/database/retry.ts";
import { inTransaction, type Query } from "../../common/database/transaction.ts";
import type { Events } from "../../common/events.ts";
import type { Jobs } from "../../common/jobs.ts";
import type { ReadHolding } from "../connectors/connector.ts";
import type { accounts } from "../contract.ts";
import type { Claim } from "./claim.ts";
import { addSyncJob, afterSeconds } from "./job.ts";

/** What results are written with. */
export interface ResultTools {
  readonly pool: ConnectionPool;
  readonly jobs: Pick<Jobs, "add">;
  readonly events: Pick<Events<typeof accounts>, "store">;
}

/** The latest syncs of each account that are kept. */
const MAX_KEPT = 20;

// Both statements are written by whoever still holds the claim, and by nobody else: a replica that was frozen while
// another took over finds its token gone.
const SUCCEEDED = `
  update accounts.accounts
  set last_synced_at = now(), last_sync_error = null, holdings_at = now(), sync_failures = 0,
      sync_token = null, sync_lease_until = null, updated_at = now(), version = version + 1
  where id = $1 and sync_token = $2
  returning id`;

// What the user changed while it was read has made the next sync due at once, and it stays so.
const FAILED = `
  update accounts.accounts
  set last_sync_error = $3, sync_failures = sync_failures + case when $4::float8 is null then 0 else 1 end,
      sync_due_at = case when $4 is not null and sync_due_at = $5::timestamptz then now() + make_interval(secs => $4)
        else sync_due_at end,
      sync_token = null, sync_lease_until = null,
      updated_at = case when last_sync_error is distinct from $3 then now() else updated_at end,
      version = version + (last_sync_error is distinct from $3)::int
  where id = $1 and sync_token = $2
  returning id`;

const REMOVE_HOLDINGS = "delete from accounts.holdings where account_id = $1";
const INSERT_HOLDINGS = `
  insert into accounts.holdings
    (account_id, asset, symbol, chain, contract, quantity, available, frozen, decimals)
  select $1, * from unnest(
    $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::numeric[], $8::numeric[], $9::int[])`;

const END = `
  update accounts.syncs
  set state = $2, error = $3, finished_at = now(), changed_at = now(),
      holdings_count = (select count(*) from accounts.holdings where account_id = $4)
  where id = $1
  returning holdings_count`;
const WAIT = "update accounts.syncs set state = 'queued', error = $2, changed_at = now() where id = $1";
const FORGET = `
  delete from accounts.syncs where account_id = $1 and id < (
    select id from accounts.syncs where account_id = $1 order by id desc offset ${MAX_KEPT - 1} limit 1
  ) and state in ('succeeded', 'failed')`;

/**
 * Replaces an account's holdings by what was read, and ends the sync.
 * @returns false when the claim is another's now: nothing is written then.
 */
export function recordSuccess(
  tools: ResultTools,
  claim: Claim,
  holdings: readonly ReadHolding[],
): Promise<boolean> {
  const { account, token } = claim;
  return writing(tools, async (query) => {
    const values = [account.id, token];
    const held = await query({ name: "accounts.syncs.succeeded", text: SUCCEEDED, values });
    if (held.length === 0) return false;
    await replaceHoldings(query, account.id, holdings);
    await end(tools, query, claim, null);
    return true;
  });
}

/**
 * Keeps the holdings as they are, says why, and ends the sync.
 * @param dueSeconds when the account is due again.
 * @returns false when the claim is another's now: nothing is written then.
 */
export function recordFailure(
  tools: ResultTools,
  claim: Claim,
  error: string,
  dueSeconds: number,
): Promise<boolean> {
  return writing(tools, async (query) => {
    const values = [claim.account.id, claim.token, error, dueSeconds, claim.dueAt];
    const held = await query({ name: "accounts.syncs.failed", text: FAILED, values });
    if (held.length === 0) return false;
    await end(tools, query, claim, error);
    return true;
  });
}

/** The same, but the sync goes on: its next attempt comes after so many seconds. */
export function recordRetry(
  tools: ResultTools,
  claim: Claim,
  error: string,
  delaySeconds: number,
): Promise<boolean> {
  const { account, token, syncId, is_urgent, dueAt } = claim;
  return writing(tools, async (query) => {
    const values = [account.id, token, error, null, dueAt];
    const held = await query({ name: "accounts.syncs.failed", text: FAILED, values });
    if (held.length === 0) return false;
    await query({ name: "accounts.syncs.wait", text: WAIT, values: [syncId, error] });
    await addSyncJob(tools.jobs, query, syncId, {
      runAt: afterSeconds(delaySeconds),
      isScheduled: !is_urgent,
    });
    return true;
  });
}

function writing({ pool }: ResultTools, work: (query: Query) => Promise<boolean>): Promise<boolean> {
  return retryLostRaces(() => inTransaction(pool, work));
}

async function replaceHoldings(
  query: Query,
  accountId: string,
  holdings: readonly ReadHolding[],
): Promise<void> {
  await query({ name: "accounts.syncs.remove-holdings", text: REMOVE_HOLDINGS, values: [accountId] });
  if (holdings.length === 0) return;
  const values = [
    accountId,
    holdings.map(({ asset }) => asset),
    holdings.map(({ symbol }) => symbol),
    holdings.map(({ chain }) => chain ?? null),
    holdings.map(({ contract }) => contract ?? null),
    holdings.map(({ quantity }) => quantity),
    holdings.map(({ available }) => available),
    holdings.map(({ frozen }) => frozen),
    holdings.map(({ decimals }) => decimals ?? null),
  ];
  await query({ name: "accounts.syncs.insert-holdings", text: INSERT_HOLDINGS, values });
}

async function end(
  { events }: ResultTools,
  query: Query,
  { syncId, account }: Claim,
  error: string | null,
): Promise<void> {
  const success = error === null;
  const values = [syncId, success ? "succeeded" : "failed", error, account.id];
  const rows = await query<{ holdings_count: number }>({ name: "accounts.syncs.end", text: END, values });
  await query({ name: "accounts.syncs.forget", text: FORGET, values: [account.id] });
  await events.store(query, "accounts.synced", account.id, {
    account_id: account.id,
    user_id: account.user_id,
    success,
    holdings_count: rows[0]?.holdings_count ?? 0,
  });
}
