import type { MigrationList } from "../../common/database/migrate.ts";
import { eventMigrations } from "../../common/events/migrations.ts";
import { idempotencyMigrations } from "../../common/idempotency/migrations.ts";
import { CreateAuth } from "./0001-auth.ts";
import { CreateRequestCounts } from "./0002-request-counts.ts";

/** In order; forward only. */
export const migrations: MigrationList = [
  { name: "0001-auth", class: CreateAuth },
  ...eventMigrations,
  ...idempotencyMigrations,
  { name: "0002-request-counts", class: CreateRequestCounts },
];
