import { Migration } from "@mikro-orm/migrations";
import { listedSymbol } from "../domain/listed-symbol.ts";
import { literal, seedAssetId } from "./0002-seeds.ts";
import { seedAssets } from "./seeds/assets.ts";

/**
 * Of the bridged USDCs, the one of Arbitrum is meant by the bare symbol. VELO is mostly said of Velo, which is not among
 * the seeds: it is left for the first fetch of prices to list.
 */
const NOT_LISTED: ReadonlySet<string> = new Set(["USDC.e optimism", "VELO"]);

/** What prices from providers need: listed symbols, figures beside the price, a price per day, one fetch at a time. */
export class PreparePrices extends Migration {
  override async up(): Promise<void> {
    this.assets();
    this.listedSymbols();
    this.prices();
    this.fetches();
  }

  private assets(): void {
    // A coin is who its provider's id says; two of them may have the same symbol and the same name.
    this.addSql("alter table market.assets drop constraint assets_symbol_name_key");
    // Whose symbol and name these are: those of a provider follow the provider.
    this.addSql("alter table market.assets add column named_by text not null default 'seed'");
  }

  private listedSymbols(): void {
    this.addSql(`
      create table market.listed_symbols (
        symbol text primary key,
        asset_id uuid not null references market.assets on delete cascade,
        created_at timestamptz not null default now()
      )`);
    this.addSql("create index listed_symbols_by_asset on market.listed_symbols (asset_id)");
    const rows = seedAssets
      .filter(({ key }) => !NOT_LISTED.has(key))
      .map(({ key, symbol }) => ({ symbol: listedSymbol(symbol), asset_id: seedAssetId(key) }));
    this.addSql(`
      insert into market.listed_symbols (symbol, asset_id)
      select * from jsonb_to_recordset(${literal(rows)}) as seed (symbol text, asset_id uuid)`);
  }

  private prices(): void {
    this.addSql(`
      alter table market.prices
        add column rank integer,
        add column market_cap_usd numeric,
        add column volume_24h_usd numeric,
        add column percent_change_24h numeric`);
    this.addSql(`
      create table market.daily_prices (
        asset_id uuid not null references market.assets on delete cascade,
        day date not null,
        price_usd numeric not null check (price_usd >= 0 and price_usd < 'Infinity'),
        source text not null,
        as_of timestamptz not null,
        primary key (asset_id, day)
      )`);
    this.addSql("create index daily_prices_by_day on market.daily_prices (day)");
  }

  private fetches(): void {
    this.addSql(`
      create table market.fetches (
        name text primary key,
        token uuid not null,
        leased_until timestamptz,
        finished_at timestamptz,
        report jsonb
      )`);
  }
}
