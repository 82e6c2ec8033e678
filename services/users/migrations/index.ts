import type { MigrationList } from "../../common/database/migrate.ts";
import { CreateUsers } from "./0001-users.ts";

/** In order; forward only. */
export const migrations: MigrationList = [{ name: "0001-users", class: CreateUsers }];
