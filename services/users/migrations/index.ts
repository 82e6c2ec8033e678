import type { MigrationList } from "../../common/database/migrate.ts";
import { eventMigrations } from "../../common/events/migrations.ts";
import { CreateUsers } from "./0001-users.ts";

/** In order; forward only. */
export const migrations: MigrationList = [{ name: "0001-users", class: CreateUsers }, ...eventMigrations];
