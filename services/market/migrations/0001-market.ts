import { Migration } from "@mikro-orm/migrations";

/** What the rows that clients see have in common. */
const REGISTERED = `
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version integer not null default 1`;

/** Assets with what they are known by, their prices, and the registries of chains and tokens. */
export class CreateMarket extends Migration {
  override async up(): Promise<void> {
    this.assets();
    this.prices();
    this.registries();
  }

  private assets(): void {
    this.addSql(`
      create table market.assets (
        id uuid primary key,
        symbol text not null check (char_length(symbol) between 1 and 50),
        name text not null check (char_length(name) between 1 and 120),
        asset_type text not null default 'cryptocurrency' check (asset_type in ('cryptocurrency', 'stablecoin')),
        coinpaprika_id text unique,
        coingecko_id text unique,
        decimals integer check (decimals between 0 and 255),
        ${REGISTERED},
        unique (symbol, name)
      )`);
    this.addSql("create index assets_by_symbol on market.assets (upper(symbol))");
    // The case of an EVM address is its checksum, that of a Solana address is part of it.
    this.addSql(`
      create table market.asset_contracts (
        id uuid primary key,
        asset_id uuid not null references market.assets on delete cascade,
        chain text not null,
        contract_address text not null,
        contract_key text not null generated always as (
          case when contract_address ~ '^0x[0-9a-fA-F]{40}$' then lower(contract_address) else contract_address end
        ) stored,
        decimals integer check (decimals between 0 and 255),
        created_at timestamptz not null default now(),
        unique (chain, contract_key)
      )`);
    this.addSql("create index asset_contracts_by_asset on market.asset_contracts (asset_id)");
    this.addSql(`
      create table market.exchange_symbols (
        exchange text not null,
        symbol text not null,
        asset_id uuid not null references market.assets on delete cascade,
        primary key (exchange, symbol)
      )`);
    this.addSql("create index exchange_symbols_by_asset on market.exchange_symbols (asset_id)");
  }

  private prices(): void {
    // NaN and Infinity are above every number.
    const price = "numeric not null check (price_usd >= 0 and price_usd < 'Infinity')";
    this.addSql(`
      create table market.prices (
        asset_id uuid primary key references market.assets on delete cascade,
        price_usd ${price},
        source text not null,
        as_of timestamptz not null
      )`);
    this.addSql(`
      create table market.price_history (
        asset_id uuid not null references market.assets on delete cascade,
        as_of timestamptz not null,
        source text not null,
        price_usd ${price},
        primary key (asset_id, as_of, source)
      )`);
    // What is too old is deleted by time, whatever asset it is of.
    this.addSql("create index price_history_by_time on market.price_history (as_of)");
  }

  private registries(): void {
    this.addSql(`
      create table market.chains (
        id uuid primary key,
        family text not null check (family in ('evm', 'solana', 'bitcoin')),
        chain_id text not null unique,
        evm_number bigint unique check (evm_number > 0),
        name text not null check (char_length(name) between 1 and 120),
        rpc_url text check (family <> 'evm' or rpc_url is not null),
        native_symbol text not null default 'ETH',
        native_asset_id uuid references market.assets on delete set null,
        ${REGISTERED}
      )`);
    this.addSql("create index chains_by_time on market.chains (created_at, id)");
    this.addSql(`
      create table market.evm_tokens (
        id uuid primary key,
        chain text not null,
        symbol text not null,
        contract_address text not null,
        ${REGISTERED}
      )`);
    this.addSql(
      "create unique index evm_tokens_contract on market.evm_tokens (chain, lower(contract_address))",
    );
    this.addSql("create index evm_tokens_by_time on market.evm_tokens (created_at, id)");
    this.addSql(`
      create table market.solana_tokens (
        id uuid primary key,
        symbol text not null,
        mint_address text not null unique,
        ${REGISTERED}
      )`);
    this.addSql("create index solana_tokens_by_time on market.solana_tokens (created_at, id)");
  }
}
