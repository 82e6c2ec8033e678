import type { MigrationList } from "../../common/database/migrate.ts";
import { eventMigrations } from "../../common/events/migrations.ts";
import { idempotencyMigrations } from "../../common/idempotency/migrations.ts";
import { jobsMigrations } from "../../common/jobs/migrations.ts";
import { CreateAccounts } from "./0001-accounts.ts";
import { CreateSyncs } from "./0002-sync.ts";

/** In order; forward only. */
export const migrations: MigrationList = [
  { name: "0001-accounts", class: CreateAccounts },
  { name: "0002-sync", class: CreateSyncs },
  ...eventMigrations,
  ...jobsMigrations,
  ...idempotencyMigrations,
];
