import { Migration } from "@mikro-orm/migrations";
import type { MigrationList } from "../database/migrate.ts";

/** What a service has still to tell, what could not be told, and what it has heard. */
class CreateEvents extends Migration {
  override async up(): Promise<void> {
    const schema = this.config.get("schema") as string;
    // One row for each who hears the event: what keeps one of them waiting keeps no other.
    const columns = `
      event_id uuid not null,
      event text not null,
      aggregate_id text not null,
      -- The full name of an action, or * for whoever listens.
      hearer text not null,
      payload jsonb not null,
      occurred_at timestamptz not null default statement_timestamp(),
      -- Answered with an error; not answered at all.
      failures integer not null default 0,
      silences integer not null default 0,
      last_error text`;
    this.addSql(`
      create table ${schema}.outbox (
        -- Writers that follow each other on an aggregate take growing numbers, whatever their clocks say.
        position bigint generated always as identity primary key,
        ${columns},
        next_attempt_at timestamptz
      )`);
    this.addSql(`create index outbox_by_hearer on ${schema}.outbox (hearer, position)`);
    this.addSql(`
      create index outbox_waiting on ${schema}.outbox (hearer, aggregate_id, position)
      where next_attempt_at is not null`);
    this.addSql(`
      create table ${schema}.outbox_set_aside (
        position bigint primary key,
        ${columns},
        set_aside_at timestamptz not null default clock_timestamp()
      )`);
    this.addSql(`
      create table ${schema}.inbox (
        event_id uuid not null,
        hearer text not null,
        handled_at timestamptz not null default now(),
        primary key (event_id, hearer)
      )`);
    this.addSql(`create index inbox_by_time on ${schema}.inbox (handled_at)`);
  }
}

/** Which trace an event belongs to (`tracing.ts`): so who hears it is in the same. */
class AddTraceparent extends Migration {
  override async up(): Promise<void> {
    const schema = this.config.get("schema") as string;
    this.addSql(`alter table ${schema}.outbox add column traceparent text`);
  }
}

/** For the list of migrations of a service that tells events or hears them. */
export const eventMigrations: MigrationList = [
  { name: "events-1", class: CreateEvents },
  { name: "events-2", class: AddTraceparent },
];
