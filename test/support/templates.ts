import pg from "pg";
import { migrate } from "../../services/common/database/migrate.ts";
import { migrationsOf } from "../../services/migrations.ts";

/** A database with the schemas of all services in it; every test file gets a copy. */
export const TEMPLATE = "butler_template";

/** Migrates the template database once, at the start of a test run. */
export async function createTemplates(adminUrl: string): Promise<void> {
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    await admin.query(`create database ${TEMPLATE}`);
  } finally {
    await admin.end();
  }
  await migrateAll(databaseUrl(adminUrl, TEMPLATE));
}

/** Applies the migrations of all services to a database. */
export async function migrateAll(url: string): Promise<void> {
  for (const [service, migrations] of Object.entries(migrationsOf)) {
    await migrate({ service, url, migrations, log: { info: () => undefined } });
  }
}

/** The same server, another database. */
export function databaseUrl(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}
