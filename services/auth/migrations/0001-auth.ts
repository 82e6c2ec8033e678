import { Migration } from "@mikro-orm/migrations";

/** What auth must remember: issuers' keys, what was revoked, personal access tokens, and who did what. */
export class CreateAuth extends Migration {
  override async up(): Promise<void> {
    this.addSql(`
      create table auth.key_sets (
        issuer text primary key,
        keys jsonb not null,
        fetched_at timestamptz not null
      )`);
    // Keys are hashes: nothing here tells who it was.
    this.addSql(`
      create table auth.revocations (
        kind text not null check (kind in ('session', 'token', 'identity')),
        key text not null,
        revoked_at timestamptz not null default now(),
        expires_at timestamptz not null,
        primary key (kind, key)
      )`);
    this.addSql("create index revocations_by_time on auth.revocations (revoked_at, kind, key)");
    this.addSql(`
      create table auth.logout_tokens (
        key text primary key,
        expires_at timestamptz not null
      )`);
    this.addSql(`
      create table auth.sessions (
        key text primary key,
        identity_key text not null,
        user_id uuid not null,
        subject text not null,
        first_seen_at timestamptz not null default now(),
        expires_at timestamptz not null
      )`);
    this.addSql("create index sessions_by_user on auth.sessions (user_id)");
    this.addSql("create index sessions_by_identity on auth.sessions (identity_key)");
    this.addSql(`
      create table auth.personal_access_tokens (
        id uuid primary key,
        user_id uuid not null,
        issuer text not null,
        subject text not null,
        name text not null check (char_length(name) between 1 and 120),
        hash bytea not null unique,
        scopes text[] not null check (cardinality(scopes) > 0),
        portfolio_id uuid,
        created_at timestamptz not null default now(),
        expires_at timestamptz not null,
        last_used_at timestamptz
      )`);
    this.addSql(
      "create index personal_access_tokens_by_user on auth.personal_access_tokens (user_id, created_at, id)",
    );
    this.addSql(`
      create table auth.audit_events (
        id uuid primary key,
        user_id uuid not null,
        occurred_at timestamptz not null default now(),
        act text not null,
        subject text not null,
        session text,
        token_id text,
        address text,
        request_id text,
        details jsonb
      )`);
    this.addSql(
      "create index audit_events_by_user on auth.audit_events (user_id, occurred_at desc, id desc)",
    );
    // Append-only: rows leave only with their user, which the erasure says for its own transaction.
    this.addSql(`
      create function auth.refuse_audit_change() returns trigger language plpgsql as $$
      begin
        if tg_op = 'DELETE' and current_setting('auth.erasing_user', true) = old.user_id::text then
          return old;
        end if;
        raise exception 'the audit trail is append-only' using errcode = 'insufficient_privilege';
      end $$`);
    this.addSql(`
      create trigger audit_events_append_only before update or delete on auth.audit_events
      for each row execute function auth.refuse_audit_change()`);
    this.addSql(`
      create trigger audit_events_no_truncate before truncate on auth.audit_events
      for each statement execute function auth.refuse_audit_change()`);
  }
}
