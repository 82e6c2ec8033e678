import { Migration } from "@mikro-orm/migrations";

/** Portfolios; at most one default per user, whoever writes at the same time. */
export class CreatePortfolios extends Migration {
  override async up(): Promise<void> {
    this.addSql(`
      create table portfolios.portfolios (
        id uuid primary key,
        user_id uuid not null,
        name text not null check (char_length(name) between 1 and 120),
        description text check (char_length(description) <= 2000),
        is_default boolean not null default false,
        target_allocation jsonb,
        guardrails jsonb,
        last_constructed_at timestamptz,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        version integer not null default 1
      )`);
    this.addSql("create index portfolios_by_user on portfolios.portfolios (user_id, created_at, id)");
    this.addSql(
      "create unique index portfolios_one_default on portfolios.portfolios (user_id) where is_default",
    );
  }
}
