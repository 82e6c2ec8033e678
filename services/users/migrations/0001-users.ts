import { Migration } from "@mikro-orm/migrations";

/** Users, and the identities (issuer and subject) by which tokens name them. */
export class CreateUsers extends Migration {
  override async up(): Promise<void> {
    this.addSql(`
      create table users.users (
        id uuid primary key,
        email text,
        email_verified boolean,
        preferred_username text,
        display_name text check (char_length(display_name) between 1 and 120),
        base_currency text not null default 'USD',
        time_zone text not null default 'UTC',
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        version integer not null default 1
      )`);
    this.addSql(`
      create table users.identities (
        issuer text not null,
        subject text not null,
        user_id uuid not null references users.users on delete cascade,
        created_at timestamptz not null default now(),
        primary key (issuer, subject)
      )`);
    this.addSql("create index identities_user_id on users.identities (user_id)");
  }
}
