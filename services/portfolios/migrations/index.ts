import type { MigrationList } from "../../common/database/migrate.ts";
import { CreatePortfolios } from "./0001-portfolios.ts";

/** In order; forward only. */
export const migrations: MigrationList = [{ name: "0001-portfolios", class: CreatePortfolios }];
