import { Migration } from "@mikro-orm/migrations";

/** Accounts, their sealed credentials, and what is in them. */
export class CreateAccounts extends Migration {
  override async up(): Promise<void> {
    this.addSql(`
      create table accounts.accounts (
        id uuid primary key,
        user_id uuid not null,
        name text not null check (char_length(name) between 1 and 120),
        account_type text not null check (account_type in ('exchange', 'wallet', 'manual')),
        exchange_name text,
        wallet_address text,
        enabled_chains text[],
        is_active boolean not null default true,
        last_synced_at timestamptz,
        last_sync_error text,
        -- When holdings were last set or synced; null: never, which is not the same as having none.
        holdings_at timestamptz,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        version integer not null default 1,
        unique (id, user_id),
        check (account_type <> 'exchange' or exchange_name is not null),
        check ((account_type = 'wallet') = (wallet_address is not null))
      )`);
    this.addSql("create index accounts_by_user on accounts.accounts (user_id, created_at, id)");
    // Addresses are stored in their one canonical spelling.
    this.addSql(`
      create unique index accounts_address_once
        on accounts.accounts (user_id, coalesce(exchange_name, ''), wallet_address) where account_type = 'wallet'`);
    this.addSql(`
      create table accounts.credentials (
        account_id uuid not null,
        user_id uuid not null,
        field text not null check (field in ('api_key', 'api_secret', 'passphrase')),
        key_id text not null,
        nonce bytea not null check (octet_length(nonce) = 12),
        ciphertext bytea not null,
        fingerprint bytea check ((fingerprint is not null) = (field = 'api_key')),
        primary key (account_id, field),
        foreign key (account_id, user_id) references accounts.accounts (id, user_id) on delete cascade
      )`);
    this.addSql("create unique index credentials_key_once on accounts.credentials (user_id, fingerprint)");
    this.addSql(`
      create table accounts.holdings (
        account_id uuid not null references accounts.accounts on delete cascade,
        asset text collate "C" not null,
        quantity numeric not null check (quantity >= 0 and quantity < 'infinity'),
        available numeric not null check (available >= 0 and available < 'infinity'),
        frozen numeric not null check (frozen >= 0 and frozen < 'infinity'),
        decimals integer check (decimals >= 0),
        primary key (account_id, asset)
      )`);
  }
}
