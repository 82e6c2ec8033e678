import { randomUUIDv7 } from "node:crypto";
import type { ConnectionPool } from "../common/database/pool.ts";
import { retryLostRaces } from "../common/database/retry.ts";
import { inTransaction, type Query } from "../common/database/transaction.ts";
import { type Writing, writingTo } from "../common/database/writing.ts";
import type { Events } from "../common/events.ts";
import { eraseKeys } from "../common/idempotency/store.ts";
import { problem } from "../common/problem.ts";
import { type AccountType, type accounts, MAX_ACCOUNTS_PER_USER } from "./contract.ts";
import { type CredentialChanges, changeCredentials, keepCredentials } from "./credentials.ts";
import { duplicateBehind } from "./duplicate.ts";
import { type AccountKey, readAccounts } from "./reads.ts";
import type { AccountRow } from "./row.ts";
import type { CredentialSeal } from "./seal.ts";

/** What accounts are written with. */
export interface Store {
  readonly pool: ConnectionPool;
  readonly seal: CredentialSeal;
  readonly events: Pick<Events<typeof accounts>, "store" | "storeAll">;
}

/** A new account, checked; its address in canonical spelling. */
export interface NewAccount {
  readonly name: string;
  readonly account_type: AccountType;
  readonly exchange_name: string | null;
  readonly wallet_address: string | null;
  readonly enabled_chains: readonly string[] | null;
  readonly credentials: CredentialChanges;
}

/** A member that is undefined stays as it is, null clears it. */
export interface AccountChanges {
  readonly name?: string | undefined;
  readonly is_active?: boolean | undefined;
  readonly enabled_chains?: readonly string[] | null | undefined;
  readonly credentials: CredentialChanges;
}

/** An account, and the version that it must have for a change, if one was named. */
export interface VersionedKey extends AccountKey {
  readonly version: number | undefined;
}

const CREATE = `
  insert into accounts.accounts (id, user_id, name, account_type, exchange_name, wallet_address, enabled_chains)
  select $1, $2, $3, $4, $5, $6, $7
  where (select count(*) from accounts.accounts where user_id = $2) < ${MAX_ACCOUNTS_PER_USER}
  returning id`;

const LOCK = `
  select id, account_type, version from accounts.accounts
  where id = $1 and user_id = $2
  for update`;

const CHANGE = `
  update accounts.accounts
  set name = coalesce($3, name),
      is_active = coalesce($4, is_active),
      enabled_chains = case when $5 then $6 else enabled_chains end,
      sync_due_at = case when $7 then now() else sync_due_at end,
      updated_at = now(), version = version + 1
  where id = $1 and user_id = $2`;

type LockedAccount = Pick<AccountRow, "id" | "account_type" | "version">;

/** @throws ACCOUNT_DUPLICATE, TOO_MANY_ACCOUNTS. */
export function createAccount(
  { db, seal }: Pick<Store, "seal"> & { readonly db: Writing },
  userId: string,
  account: NewAccount,
): Promise<AccountRow> {
  const id = randomUUIDv7();
  return written(db, async (query) => {
    const { name, account_type, exchange_name, wallet_address, enabled_chains } = account;
    const values = [id, userId, name, account_type, exchange_name, wallet_address, enabled_chains];
    const created = await query({ name: "accounts.create", text: CREATE, values });
    if (created.length === 0) {
      throw problem("TOO_MANY_ACCOUNTS", { detail: `A user may have ${MAX_ACCOUNTS_PER_USER} accounts.` });
    }
    await keepCredentials(query, seal, { userId, accountId: id }, account.credentials);
    return readBack(query, { id, userId });
  });
}

/** Changes an account. @throws ACCOUNT_NOT_FOUND, PRECONDITION_FAILED, ACCOUNT_DUPLICATE. */
export function updateAccount(
  { pool, seal }: Store,
  key: VersionedKey,
  { name, is_active, enabled_chains, credentials }: AccountChanges,
): Promise<AccountRow> {
  return written(writingTo(pool), async (query) => {
    const { account_type } = await lockAccount(query, key);
    const { id, userId } = key;
    const setsChains = enabled_chains !== undefined;
    // What changes what a sync would find, or whether it would find anything, makes the next one due.
    const isDue = setsChains || is_active || Object.values(credentials).some((text) => text !== undefined);
    const values = [id, userId, name, is_active, setsChains, enabled_chains ?? null, isDue ?? false];
    await query({ name: "accounts.change", text: CHANGE, values });
    if (account_type === "exchange") {
      await changeCredentials(query, seal, { userId, accountId: id }, credentials);
    }
    return readBack(query, key);
  });
}

/** Deletes an account with all that belongs to it. @throws ACCOUNT_NOT_FOUND, PRECONDITION_FAILED. */
export function deleteAccount({ pool, events }: Store, key: VersionedKey): Promise<void> {
  return written(writingTo(pool), async (query) => {
    const { id } = await lockAccount(query, key);
    const text = "delete from accounts.accounts where id = $1 and user_id = $2";
    await query({ name: "accounts.delete", text, values: [id, key.userId] });
    await events.store(query, "accounts.deleted", id, { account_id: id, user_id: key.userId });
  });
}

/** Deletes all of a user's accounts, and what is kept of the user's keys. */
export function eraseAccounts({ pool, events }: Store, userId: string): Promise<void> {
  const text = "delete from accounts.accounts where user_id = $1 returning id";
  return retryLostRaces(() =>
    inTransaction(pool, async (query) => {
      const gone = await query<{ id: string }>({ name: "accounts.erase-user", text, values: [userId] });
      const deleted = gone.map(({ id }) => ({
        aggregateId: id,
        payload: { account_id: id, user_id: userId },
      }));
      await events.storeAll(query, "accounts.deleted", deleted);
      await eraseKeys(query, "accounts", userId);
    }),
  );
}

/** A transaction; what a concurrent one has made impossible is tried again, what is a duplicate is refused as one. */
export function written<Result>(db: Writing, work: (query: Query) => Promise<Result>): Promise<Result> {
  return db.transaction(async (query) => {
    try {
      return await work(query);
    } catch (error) {
      throw duplicateBehind(error) ?? error;
    }
  });
}

/** @throws ACCOUNT_NOT_FOUND, PRECONDITION_FAILED. */
export async function lockAccount(
  query: Query,
  { id, userId, version }: VersionedKey,
): Promise<LockedAccount> {
  const values = [id, userId];
  const [account] = await query<LockedAccount>({ name: "accounts.lock", text: LOCK, values });
  if (!account) throw problem("ACCOUNT_NOT_FOUND");
  if (version !== undefined && account.version !== version) throw problem("PRECONDITION_FAILED");
  return account;
}

/** The account as the transaction leaves it. */
export async function readBack(query: Query, key: AccountKey): Promise<AccountRow> {
  const [row] = await readAccounts(query, [key]);
  if (!row) throw new Error("An account that was just written is not there.");
  return row;
}
