import { Migration } from "@mikro-orm/migrations";
import type { MigrationList } from "../database/migrate.ts";

/** What was answered to requests with an Idempotency-Key. */
class CreateIdempotencyKeys extends Migration {
  override async up(): Promise<void> {
    const schema = this.config.get("schema") as string;
    this.addSql(`
      create table ${schema}.idempotency_keys (
        user_id uuid not null,
        action text not null,
        key_hash bytea not null,
        body_hash bytea not null,
        -- What the reply is made of, where it takes more than the transaction; the reply. JSON, or sealed.
        done bytea,
        result bytea,
        created_at timestamptz not null default now(),
        primary key (user_id, action, key_hash)
      )`);
    this.addSql(`create index idempotency_keys_by_time on ${schema}.idempotency_keys (created_at)`);
  }
}

/** For the list of migrations of a service that has actions for POST. */
export const idempotencyMigrations: MigrationList = [{ name: "idempotency-1", class: CreateIdempotencyKeys }];
