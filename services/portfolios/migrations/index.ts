import type { MigrationList } from "../../common/database/migrate.ts";
import { eventMigrations } from "../../common/events/migrations.ts";
import { idempotencyMigrations } from "../../common/idempotency/migrations.ts";
import { jobsMigrations } from "../../common/jobs/migrations.ts";
import { CreatePortfolios } from "./0001-portfolios.ts";
import { LinkAccounts } from "./0002-links-allocations.ts";
import { CreateRecommendations } from "./0003-recommendations.ts";
import { CreateSnapshots } from "./0004-snapshots.ts";

/** In order; forward only. */
export const migrations: MigrationList = [
  { name: "0001-portfolios", class: CreatePortfolios },
  { name: "0002-links-allocations", class: LinkAccounts },
  { name: "0003-recommendations", class: CreateRecommendations },
  { name: "0004-snapshots", class: CreateSnapshots },
  ...eventMigrations,
  ...jobsMigrations,
  ...idempotencyMigrations,
];
