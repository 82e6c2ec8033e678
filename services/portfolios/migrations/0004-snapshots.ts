import { Migration } from "@mikro-orm/migrations";

/** Snapshots, one per portfolio, day and type. */
export class CreateSnapshots extends Migration {
  override async up(): Promise<void> {
    // The holdings are kept as they are answered, figures as texts; nothing is ever searched in them.
    this.addSql(`
      create table portfolios.snapshots (
        id uuid primary key,
        portfolio_id uuid not null references portfolios.portfolios (id) on delete cascade,
        snapshot_date date not null,
        snapshot_type text not null check (snapshot_type in ('manual', 'hourly', 'eod')),
        portfolio_name text not null,
        valued_at timestamptz not null,
        total_value_usd numeric not null,
        holdings json not null,
        has_sample_prices boolean not null,
        created_at timestamptz not null default clock_timestamp(),
        size_bytes integer not null generated always as (
          1000 + octet_length(portfolio_name) + octet_length(holdings::text)
        ) stored,
        unique (portfolio_id, snapshot_date, snapshot_type)
      )`);
    this.addSql(`
      create index snapshots_latest_first on portfolios.snapshots (portfolio_id, snapshot_date, created_at, id)`);
    this.addSql(`
      create index snapshots_hourly on portfolios.snapshots (snapshot_date) where snapshot_type = 'hourly'`);
  }
}
