import { Migration } from "@mikro-orm/migrations";

/** What syncing keeps: whose turn it is, the jobs, and which asset a holding is of. */
export class CreateSyncs extends Migration {
  override async up(): Promise<void> {
    // A replica of the version before knows none of these and goes on working: each may be left out.
    this.addSql(`
      alter table accounts.holdings
        add column symbol text,
        add column chain text,
        add column contract text,
        add check (contract is null or chain is not null)`);
    this.addSql(`
      alter table accounts.accounts
        -- Whoever reads the account now holds this token, and may write what it has read only while it does.
        add column sync_token uuid,
        add column sync_lease_until timestamptz,
        add column sync_due_at timestamptz not null default now(),
        -- How many syncs in a row have failed.
        add column sync_failures integer not null default 0`);
    this.addSql(`
      create index accounts_by_sync_due on accounts.accounts (sync_due_at)
        where is_active and account_type <> 'manual'`);
    this.addSql(`
      create table accounts.syncs (
        id uuid primary key,
        account_id uuid not null,
        user_id uuid not null,
        -- Somebody waits for it; the others were only due.
        is_urgent boolean not null default false,
        state text not null default 'queued' check (state in ('queued', 'running', 'succeeded', 'failed')),
        attempts integer not null default 0,
        error text,
        -- What was stored when it ended.
        holdings_count integer,
        created_at timestamptz not null default now(),
        started_at timestamptz,
        changed_at timestamptz not null default now(),
        finished_at timestamptz,
        foreign key (account_id, user_id) references accounts.accounts (id, user_id) on delete cascade,
        check ((finished_at is not null) = (state in ('succeeded', 'failed')))
      )`);
    this.addSql(`
      create unique index syncs_open_once on accounts.syncs (account_id) where state in ('queued', 'running')`);
    this.addSql("create index syncs_by_account on accounts.syncs (account_id, id)");
    this.addSql(`
      create index syncs_open_by_change on accounts.syncs (changed_at) where state in ('queued', 'running')`);
  }
}
