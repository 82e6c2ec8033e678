import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import pg from "pg";
import { adminUrl } from "../../support/database.ts";
import { databaseUrl } from "../../support/templates.ts";
import { ROOT, sourceOf } from "../support/code.ts";
import { containerOf, type Document, migrationsIn } from "../support/documents.ts";

const run = promisify(execFile);

export interface RoleDatabase {
  readonly name: string;
  /** A service's connection string, as its own role. */
  url(service: string): string;
  /** PgBouncer's list of users: what PostgreSQL itself keeps of their passwords. */
  readonly users: string;
  query<Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  drop(): Promise<void>;
}

/** An empty database with a role per service, made by k8s/postgresql/role.sql and migrated by the manifests' jobs. */
export async function createRoleDatabase(documents: readonly Document[]): Promise<RoleDatabase> {
  const suffix = randomBytes(4).toString("hex");
  const name = `roles_${suffix}`;
  const jobs = migrationsIn(documents);
  const services = jobs.map((job) => (containerOf(job).args ?? []).join());
  const roleOf = (service: string) => `${service}_${suffix}`;
  const passwords = new Map(services.map((service) => [service, randomBytes(12).toString("hex")]));
  const admin = new pg.Pool({ connectionString: adminUrl, max: 1 });
  await admin.query(`create database ${name}`);
  const inside = new pg.Pool({ connectionString: databaseUrl(adminUrl, name), max: 2 });
  for (const pool of [admin, inside]) pool.on("error", () => undefined);
  const file = sourceOf("k8s/postgresql/role.sql");
  for (const [service, password] of passwords) {
    await inside.query(asPsqlWould(file, { service: roleOf(service), password, DBNAME: name }));
  }
  function url(service: string): string {
    const made = new URL(databaseUrl(adminUrl, name));
    made.username = roleOf(service);
    made.password = passwords.get(service) as string;
    return made.href;
  }
  // Each as its job does it, all at once.
  await Promise.all(
    jobs.map(async (job) => {
      const { command = [], args = [] } = containerOf(job);
      const [, ...words] = command;
      const environment = { PATH: process.env.PATH, DATABASE_URL: url(args.join()) };
      await run(process.execPath, [...words, ...args], { cwd: ROOT, env: environment });
    }),
  );
  const { rows } = await admin.query<{ rolname: string; rolpassword: string }>(
    "select rolname, rolpassword from pg_authid where rolname = any($1)",
    [services.map(roleOf)],
  );
  return {
    name,
    url,
    users: rows.map(({ rolname, rolpassword }) => `"${rolname}" "${rolpassword}"\n`).join(""),
    query: async (sql, values = []) => (await inside.query(sql, [...values])).rows,
    async drop() {
      await inside.end();
      await admin.query(`drop database ${name} with (force)`);
      for (const service of services) await admin.query(`drop role ${roleOf(service)}`);
      await admin.end();
    },
  };
}

/** `:"name"` is an identifier, `:'name'` a literal. */
function asPsqlWould(sql: string, variables: Readonly<Record<string, string>>): string {
  const statements = sql.replace(/^--.*$/gm, "");
  return Object.entries(variables).reduce(
    (text, [name, value]) =>
      text
        .replaceAll(`:"${name}"`, pg.escapeIdentifier(value))
        .replaceAll(`:'${name}'`, pg.escapeLiteral(value)),
    statements,
  );
}
