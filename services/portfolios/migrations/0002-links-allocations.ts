import { Migration } from "@mikro-orm/migrations";

/** Which accounts a portfolio is made of, what was constructed of them, and which of its limits are exceeded. */
export class LinkAccounts extends Migration {
  override async up(): Promise<void> {
    this.addSql(`
      create table portfolios.portfolio_accounts (
        id uuid primary key,
        portfolio_id uuid not null references portfolios.portfolios on delete cascade,
        account_id uuid not null,
        user_id uuid not null,
        added_at timestamptz not null default now(),
        unique (portfolio_id, account_id)
      )`);
    // An account that is deleted leaves all portfolios of its user.
    this.addSql(
      "create index portfolio_accounts_by_account on portfolios.portfolio_accounts (account_id, user_id)",
    );
    // The holdings are as they were answered, figures as texts: json keeps them as they came, and is never searched.
    this.addSql(`
      create table portfolios.portfolio_allocations (
        portfolio_id uuid primary key references portfolios.portfolios on delete cascade,
        as_of timestamptz not null,
        total_value_usd numeric not null,
        holdings json not null
      )`);
    this.addSql(`
      create table portfolios.drift_breaches (
        portfolio_id uuid not null references portfolios.portfolios on delete cascade,
        subject text not null,
        breached_at timestamptz not null default now(),
        primary key (portfolio_id, subject)
      )`);
  }
}
