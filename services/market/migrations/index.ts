import type { MigrationList } from "../../common/database/migrate.ts";
import { eventMigrations } from "../../common/events/migrations.ts";
import { idempotencyMigrations } from "../../common/idempotency/migrations.ts";
import { jobsMigrations } from "../../common/jobs/migrations.ts";
import { CreateMarket } from "./0001-market.ts";
import { SeedMarket } from "./0002-seeds.ts";
import { PreparePrices } from "./0003-prices.ts";

/** In order; forward only. */
export const migrations: MigrationList = [
  { name: "0001-market", class: CreateMarket },
  { name: "0002-seeds", class: SeedMarket },
  { name: "0003-prices", class: PreparePrices },
  ...jobsMigrations,
  ...eventMigrations,
  ...idempotencyMigrations,
];
