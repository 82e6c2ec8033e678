import { migrations as accounts } from "./accounts/migrations/index.ts";
import { migrations as auth } from "./auth/migrations/index.ts";
import type { MigrationList } from "./common/database/migrate.ts";
import { migrations as market } from "./market/migrations/index.ts";
import { migrations as portfolios } from "./portfolios/migrations/index.ts";
import { migrations as users } from "./users/migrations/index.ts";

/** The services that have a database, with their migrations. */
export const migrationsOf: Readonly<Record<string, MigrationList>> = {
  auth,
  users,
  portfolios,
  accounts,
  market,
};
