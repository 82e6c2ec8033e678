import { Migration } from "@mikro-orm/migrations";

/** Recommendations; at most one that was computed is pending per portfolio, whoever generates at the same time. */
export class CreateRecommendations extends Migration {
  override async up(): Promise<void> {
    this.addSql(`
      create table portfolios.recommendations (
        id uuid primary key,
        portfolio_id uuid not null references portfolios.portfolios (id) on delete cascade,
        status text not null default 'pending'
          check (status in ('pending', 'approved', 'rejected', 'executed', 'expired')),
        recommendation_type text not null check (recommendation_type in ('rebalance', 'take_profit', 'stop_loss')),
        rationale text not null check (char_length(rationale) between 1 and 10000),
        proposed_orders jsonb not null,
        expected_impact numeric,
        metadata jsonb,
        price_as_of timestamptz,
        inputs_hash text check (inputs_hash ~ '^[0-9a-f]{64}$'),
        expires_at timestamptz,
        executed_at timestamptz check ((executed_at is not null) = (status = 'executed')),
        created_at timestamptz not null default clock_timestamp(),
        updated_at timestamptz not null default clock_timestamp(),
        version integer not null default 1,
        size_bytes integer not null generated always as (
          1000 + octet_length(rationale) + octet_length(proposed_orders::text)
          + coalesce(octet_length(metadata::text), 0)
        ) stored
      )`);
    this.addSql(
      "create index recommendations_by_portfolio on portfolios.recommendations (portfolio_id, created_at, id)",
    );
    this.addSql(`
      create unique index recommendations_one_pending on portfolios.recommendations (portfolio_id)
      where status = 'pending' and inputs_hash is not null`);
  }
}
