import { type EntityManager, type EntitySchema, MikroORM } from "@mikro-orm/postgresql";
import { PostgresDialect } from "kysely";
import pg from "pg";
import { within } from "../within.ts";
import type { DatabaseSettings } from "./config.ts";
import { STATEMENT_TIMEOUT_MS } from "./connection.ts";
import { type MigrationList, migrate, ormOptions } from "./migrate.ts";
import { ConnectionPool } from "./pool.ts";
import { poolMetrics } from "./pool-metrics.ts";

export interface DatabaseOptions {
  readonly settings: DatabaseSettings;
  // biome-ignore lint/suspicious/noExplicitAny: MikroORM's own bound for 'an entity of whatever type'.
  readonly entities: readonly EntitySchema<any>[];
  readonly migrations: MigrationList;
  readonly log: { info(message: string): void; warn(message: string): void };
}

/** A service's database: its pool, for hot reads by named statements, and MikroORM on the same pool, for the rest. */
export interface Database {
  readonly pool: ConnectionPool;
  /** A new unit of work, for one request. */
  readonly fork: () => EntityManager;
  /** Why it could not serve just now: unreachable, or migrations are missing. */
  readonly unreadiness: () => Promise<string | undefined>;
  readonly close: () => Promise<void>;
}

/** SQLSTATE undefined_table. */
const UNDEFINED_TABLE = "42P01";
/** Whoever asks whether the service is ready gets an answer also when the database gives none. */
const READINESS_TIMEOUT_MS = 2_000;
/**
 * For the server: a client that is gone is noticed while its statement runs or waits for a lock, and one that a broken
 * network keeps from saying goodbye within half a minute; else it would keep its locks, and its place among the
 * connections, for as long as two hours.
 */
const SESSION_SETTINGS = {
  TimeZone: "UTC",
  client_connection_check_interval: "1000",
  tcp_keepalives_idle: "10",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "3",
};

/**
 * Opens a service's database: the minimum of connections is open when it resolves, and, if set so, the migrations applied.
 * @throws DATABASE_UNAVAILABLE when it cannot be reached.
 */
export async function openDatabase({
  settings,
  entities,
  migrations,
  log,
}: DatabaseOptions): Promise<Database> {
  const { service, maxConnections, minConnections } = settings;
  log.info(
    `Initializing database connection pool with max_connections=${maxConnections}, min_connections=${minConnections}`,
  );
  if (settings.migrateOnStart) await migrate({ service, url: settings.url, migrations, log });
  const pool = new ConnectionPool({
    client: clientConfig(settings),
    maxConnections,
    minConnections,
    acquireTimeoutMs: settings.acquireTimeoutSeconds * 1000,
    idleTimeoutMs: settings.idleTimeoutSeconds * 1000,
    maxLifetimeMs: settings.maxLifetimeSeconds * 1000,
    metrics: poolMetrics(service, {
      minimum: minConnections,
      maximum: maxConnections,
      acquireTimeoutSeconds: settings.acquireTimeoutSeconds,
    }),
    warn: (message) => log.warn(message),
  });
  await pool.open();
  const orm = await MikroORM.init({
    ...ormOptions({ service, url: settings.url, migrations }),
    entities: [...entities],
    // The pool is ours to end, after MikroORM has let go of it.
    driverOptions: new PostgresDialect({
      pool: { connect: () => pool.connect(), end: async () => {}, options: {} },
    }),
  });
  log.info("Database connection pool established");
  return {
    pool,
    fork: () => orm.em.fork(),
    unreadiness: () => unreadinessOf(service, pool, migrations),
    close: async () => {
      await orm.close();
      await pool.end();
    },
  };
}

async function unreadinessOf(service: string, pool: ConnectionPool, migrations: MigrationList) {
  try {
    const asked = pool.query<{ name: string }>({ text: `select name from ${service}.migrations` });
    const rows = await within(READINESS_TIMEOUT_MS, asked);
    const applied = new Set(rows.map(({ name }) => name));
    const missing = migrations.filter(({ name }) => !applied.has(name)).map(({ name }) => name);
    return missing.length > 0 ? `migrations are missing: ${missing.join(", ")}` : undefined;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return code === UNDEFINED_TABLE ? "migrations are missing: all" : `database: ${message}`;
  }
}

/** What every connection of a service has: its name in `pg_stat_activity`, its limits. */
function clientConfig(settings: DatabaseSettings): pg.ClientConfig {
  return {
    connectionString: settings.url,
    application_name: settings.service,
    options: Object.entries(SESSION_SETTINGS)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(" "),
    connectionTimeoutMillis: settings.connectTimeoutSeconds * 1000,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    // The server enforces the first; this one is for a server that no longer answers.
    query_timeout: STATEMENT_TIMEOUT_MS + 1_000,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: timesAsText(),
  };
}

/** MikroORM expects dates and times as PostgreSQL writes them, and so do our own statements. */
function timesAsText(): pg.CustomTypesConfig {
  const types = new pg.TypeOverrides();
  const { DATE, TIMESTAMP, TIMESTAMPTZ, INTERVAL } = pg.types.builtins;
  for (const type of [DATE, TIMESTAMP, TIMESTAMPTZ, INTERVAL]) types.setTypeParser(type, (text) => text);
  return types;
}
