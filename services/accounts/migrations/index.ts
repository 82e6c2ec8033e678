import type { MigrationList } from "../../common/database/migrate.ts";
import { CreateAccounts } from "./0001-accounts.ts";

/** In order; forward only. */
export const migrations: MigrationList = [{ name: "0001-accounts", class: CreateAccounts }];
