import { isoTime } from "../common/database/times.ts";
import type { HeldHolding, Holding } from "./contract/holding.ts";
import type { Account, AccountType, ExportedAccount, HeldAccount } from "./contract.ts";

/** A row of the table with its holdings, as our own statements read it. */
export interface AccountRow {
  readonly id: string;
  readonly user_id: string;
  readonly name: string;
  readonly account_type: AccountType;
  readonly exchange_name: string | null;
  readonly wallet_address: string | null;
  readonly enabled_chains: string[] | null;
  readonly is_active: boolean;
  readonly last_synced_at: string | null;
  readonly last_sync_error: string | null;
  readonly created_at: string;
  readonly updated_at: string;
  readonly version: number;
  /** Null until they were set or synced once. */
  readonly holdings: readonly HeldHolding[] | null;
}

const COLUMNS = [
  "id",
  "user_id",
  "name",
  "account_type",
  "exchange_name",
  "wallet_address",
  "enabled_chains",
  "is_active",
  "last_synced_at",
  "last_sync_error",
  "created_at",
  "updated_at",
  "version",
] as const satisfies readonly (keyof AccountRow)[];

/**
 * The columns of an `AccountRow`, of the accounts that go by this name in a statement. Amounts are read as text: their
 * digits are exact, and a JSON number's would not be.
 */
export function columnsOf(table: string): string {
  const holdings = `
    case when ${table}.holdings_at is not null then (
      select coalesce(json_agg(json_strip_nulls(json_build_object(
        'asset', h.asset, 'quantity', h.quantity::text, 'available', h.available::text, 'frozen', h.frozen::text,
        'decimals', h.decimals, 'symbol', coalesce(h.symbol, h.asset), 'chain', h.chain, 'contract', h.contract
      )) order by h.asset), '[]')
      from accounts.holdings h where h.account_id = ${table}.id
    ) end as holdings`;
  return [...COLUMNS.map((column) => `${table}.${column}`), holdings].join(", ");
}

/** The wire's form of a row: what is absent is left out. */
export function accountOf(row: AccountRow): Account {
  const { holdings, ...members } = exportedAccountOf(row);
  return {
    ...members,
    ...(holdings && { holdings: holdings.map(({ available: _, frozen: __, ...holding }) => holding) }),
  };
}

/** The same with all that is kept of the holdings. */
export function exportedAccountOf(row: AccountRow): ExportedAccount {
  return {
    id: row.id,
    user_id: row.user_id,
    name: row.name,
    account_type: row.account_type,
    ...(row.exchange_name !== null && { exchange_name: row.exchange_name }),
    ...(row.wallet_address !== null && { wallet_address: row.wallet_address }),
    ...(row.enabled_chains !== null && { enabled_chains: row.enabled_chains }),
    is_active: row.is_active,
    ...(row.last_synced_at !== null && { last_synced_at: isoTime(row.last_synced_at) }),
    ...(row.last_sync_error !== null && { last_sync_error: row.last_sync_error }),
    stale: isStale(row),
    ...(row.holdings !== null && { holdings: row.holdings.map(exportedHoldingOf) }),
    created_at: isoTime(row.created_at),
    updated_at: isoTime(row.updated_at),
    version: row.version,
  };
}

function exportedHoldingOf({ symbol: _, chain: __, contract: ___, ...holding }: HeldHolding): Holding {
  return holding;
}

/** A row as portfolios show the accounts that they link, with what is in it. */
export function heldAccountOf(row: AccountRow): HeldAccount {
  const { id, name, account_type, exchange_name, wallet_address, is_active, last_synced_at } = row;
  return {
    id,
    name,
    account_type,
    exchange_name,
    wallet_address,
    is_active,
    last_synced_at: last_synced_at === null ? null : isoTime(last_synced_at),
    created_at: isoTime(row.created_at),
    updated_at: isoTime(row.updated_at),
    stale: isStale(row),
    holdings: [...(row.holdings ?? [])],
  };
}

/** What is shown is not what the last sync wanted to show. */
function isStale({ last_sync_error }: AccountRow): boolean {
  return last_sync_error !== null;
}
