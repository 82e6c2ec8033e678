import type { MigrationList } from "../../common/database/migrate.ts";
import { CreateMarket } from "./0001-market.ts";
import { SeedMarket } from "./0002-seeds.ts";

/** In order; forward only. */
export const migrations: MigrationList = [
  { name: "0001-market", class: CreateMarket },
  { name: "0002-seeds", class: SeedMarket },
];
