import { parseArgs } from "node:util";
import { ConfigurationError, environment } from "../services/common/config.ts";
import { readDatabaseSettings } from "../services/common/database/config.ts";
import { migrate } from "../services/common/database/migrate.ts";
import { migrationsOf } from "../services/migrations.ts";

const HELP = `Applies the migrations that are missing. Safe to run at any time, also several at once.

  npm run migrate                    all services: ${Object.keys(migrationsOf).join(", ")}
  npm run migrate -- portfolios      one

Where: DATABASE_URL, or <SERVICE>_DATABASE_URL for one of them (also from a file: DATABASE_URL_FILE).`;

const { values, positionals } = parseArgs({
  options: { help: { type: "boolean", short: "h" } },
  allowPositionals: true,
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const unknown = positionals.find((name) => !Object.hasOwn(migrationsOf, name));
if (unknown !== undefined) fail(`There is no service with a database called "${unknown}".\n\n${HELP}`);

try {
  for (const service of positionals.length > 0 ? positionals : Object.keys(migrationsOf)) {
    const { url } = readDatabaseSettings(service, environment);
    const log = { info: (message: string) => console.log(`${service}: ${message}`) };
    await migrate({ service, url, migrations: migrationsOf[service] ?? [], log });
  }
} catch (error) {
  fail(
    error instanceof ConfigurationError ? error.message : `Could not migrate: ${(error as Error).message}`,
  );
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
