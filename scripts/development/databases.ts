// One database, and for each service a role that can reach its own schema and nothing else.
import { randomBytes } from "node:crypto";
import pg from "pg";

/** Any number, as long as it stays the same: concurrent calls wait for each other on it. */
const provisionLock = 7_203_518_448;

export type DatabaseOptions = {
  /** A superuser's address on the server. */
  adminUrl: string;
  /** Created when it is missing. */
  database: string;
  services: readonly string[];
};

/**
 * Creates the database and per service a login role `<database>_<service>` with a new random password, owner of the
 * schema named as the service. Returns each service's address, password included: not for logs.
 */
export async function provisionDatabases(options: DatabaseOptions): Promise<Record<string, string>> {
  const { adminUrl, database, services } = options;
  return await withClient(adminUrl, async (admin) => {
    await admin.query("select pg_advisory_lock($1)", [provisionLock]);
    await createDatabase(admin, database);
    return await withClient(addressOf(adminUrl, database), async (client) => {
      const addresses: Record<string, string> = {};
      for (const service of services) {
        const role = roleName(database, service);
        const password = randomBytes(24).toString("base64url");
        await provisionRole(client, { database, service, role, password });
        addresses[service] = addressOf(adminUrl, database, role, password);
      }
      return addresses;
    });
  });
}

async function createDatabase(admin: pg.Client, database: string): Promise<void> {
  const { rowCount } = await admin.query("select from pg_database where datname = $1", [database]);
  const name = pg.escapeIdentifier(database);
  if (!rowCount) await admin.query(`create database ${name}`);
  // Everybody may connect to every database and make temporary tables there unless that is taken away.
  await admin.query(`revoke all on database ${name}, postgres, template1 from public`);
}

async function provisionRole(
  client: pg.Client,
  entry: { database: string; service: string; role: string; password: string },
): Promise<void> {
  const role = pg.escapeIdentifier(entry.role);
  const schema = pg.escapeIdentifier(entry.service);
  // Its jobs are in a schema beside it, which the role itself may not create.
  const jobsSchema = pg.escapeIdentifier(`${entry.service}_jobs`);
  const database = pg.escapeIdentifier(entry.database);
  const { rowCount } = await client.query("select from pg_roles where rolname = $1", [entry.role]);
  if (!rowCount) await client.query(`create role ${role}`);
  await client.query(`
    alter role ${role} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls
      password ${pg.escapeLiteral(entry.password)};
    alter role ${role} set search_path = ${schema};
    revoke all on schema public from public;
    create schema if not exists ${schema};
    alter schema ${schema} owner to ${role};
    revoke all on schema ${schema} from public;
    create schema if not exists ${jobsSchema};
    alter schema ${jobsSchema} owner to ${role};
    revoke all on schema ${jobsSchema} from public;
    grant connect on database ${database} to ${role};
  `);
}

function roleName(database: string, service: string): string {
  const name = `${database}_${service}`;
  // PostgreSQL cuts longer names without an error, so that two could become one.
  if (Buffer.byteLength(name) > 63)
    throw new Error(`The role name ${name} is longer than PostgreSQL's 63 bytes`);
  return name;
}

function addressOf(adminUrl: string, database: string, role?: string, password?: string): string {
  const address = new URL(adminUrl);
  address.pathname = `/${encodeURIComponent(database)}`;
  if (role !== undefined) address.username = role;
  if (password !== undefined) address.password = password;
  return address.href;
}

async function withClient<Result>(
  url: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
