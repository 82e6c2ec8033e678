import { randomUUIDv7 } from "node:crypto";
import type { ConnectionPool } from "../../common/database/pool.ts";
import { retryLostRaces } from "../../common/database/retry.ts";
import { inTransaction, type Query } from "../../common/database/transaction.ts";
import type { AccountType } from "../contract.ts";
import { type CredentialRow, readCredentials } from "../credentials.ts";

/** How long a claim holds unless it is renewed: after a replica's death its accounts are free again this soon. */
export const LEASE_SECONDS = 30;

/** The account that a sync is of, as it is to be read. */
export interface ClaimedAccount {
  readonly id: string;
  readonly user_id: string;
  readonly account_type: AccountType;
  readonly exchange_name: string | null;
  readonly wallet_address: string | null;
  readonly enabled_chains: readonly string[] | null;
  readonly sync_failures: number;
}

/** The right to read an account and to write what was read, until another has claimed it. */
export interface Claim {
  readonly syncId: string;
  /** Told apart from every other claim by this. */
  readonly token: string;
  readonly account: ClaimedAccount;
  /** As they are stored, sealed. */
  readonly credentials: readonly CredentialRow[];
  /** This one included. */
  readonly attempts: number;
  readonly is_urgent: boolean;
  /** When the account is due again if this succeeds, as PostgreSQL writes it; a user's change makes it due at once. */
  readonly dueAt: string | null;
}

/** A claim; or that another has the account, and until when; or nothing, when the sync has ended or is gone. */
export type ClaimOutcome = { readonly claim: Claim } | { readonly busySeconds: number } | undefined;

// Its row is locked first, here and wherever a sync is written: all take their locks in one order.
const LOCK = `
  select id, user_id, account_type, exchange_name, wallet_address, enabled_chains, sync_failures,
    extract(epoch from sync_lease_until - clock_timestamp())::float8 as busy_seconds
  from accounts.accounts
  where id = (select account_id from accounts.syncs where id = $1)
  for no key update`;

const START = `
  update accounts.syncs
  set state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()), changed_at = now()
  where id = $1 and state in ('queued', 'running')
  returning attempts, is_urgent`;

const HOLD = `
  update accounts.accounts
  set sync_token = $2, sync_lease_until = clock_timestamp() + make_interval(secs => ${LEASE_SECONDS}),
      sync_due_at = now() + make_interval(secs => $3)
  where id = $1
  returning sync_due_at`;

const RENEW = `
  update accounts.accounts set sync_lease_until = now() + make_interval(secs => ${LEASE_SECONDS})
  where id = $1 and sync_token = $2
  returning id`;

const GIVE_BACK_ACCOUNT = `
  update accounts.accounts set sync_token = null, sync_lease_until = null where id = $1 and sync_token = $2
  returning id`;
const GIVE_BACK_SYNC = `
  update accounts.syncs set state = 'queued', attempts = greatest(attempts - 1, 0), changed_at = now()
  where id = $1 and state = 'running'`;

type Locked = ClaimedAccount & { readonly busy_seconds: number | null };
type Started = Pick<Claim, "attempts" | "is_urgent">;

/**
 * Claims the account of a sync, unless another holds it. By the database's clock alone.
 * @param dueSeconds when the next sync is due if this one succeeds.
 */
export function claimAccount(
  pool: ConnectionPool,
  syncId: string,
  dueSeconds: number,
): Promise<ClaimOutcome> {
  return retryLostRaces(() =>
    inTransaction(pool, async (query): Promise<ClaimOutcome> => {
      const locked = { name: "accounts.syncs.lock", text: LOCK, values: [syncId] };
      const [row] = await query<Locked>(locked);
      if (!row) return undefined;
      const { busy_seconds, ...account } = row;
      if (busy_seconds !== null && busy_seconds > 0) return { busySeconds: busy_seconds };
      const start = { name: "accounts.syncs.start", text: START, values: [syncId] };
      const [started] = await query<Started>(start);
      if (!started) return undefined;
      const token = randomUUIDv7();
      const values = [account.id, token, dueSeconds];
      const hold = { name: "accounts.syncs.hold", text: HOLD, values };
      const [held] = await query<{ sync_due_at: string }>(hold);
      const credentials = await readCredentials(query, account.id);
      const dueAt = held?.sync_due_at ?? null;
      return { claim: { syncId, token, account, credentials, dueAt, ...started } };
    }),
  );
}

/** Makes a claim last longer. False: another has the account now, or it is gone. */
export async function renewClaim(pool: ConnectionPool, { account, token }: Claim): Promise<boolean> {
  const values = [account.id, token];
  const rows = await pool.query({ name: "accounts.syncs.renew", text: RENEW, values });
  return rows.length > 0;
}

/** Gives an account back unread, as if it had not been claimed: the next one need not wait for the lease. */
export async function giveBack(pool: ConnectionPool, { account, token, syncId }: Claim): Promise<void> {
  await inTransaction(pool, async (query: Query) => {
    const values = [account.id, token];
    const held = await query({ name: "accounts.syncs.give-back", text: GIVE_BACK_ACCOUNT, values });
    if (held.length === 0) return;
    await query({ name: "accounts.syncs.queue-again", text: GIVE_BACK_SYNC, values: [syncId] });
  });
}
