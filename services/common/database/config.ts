import {
  ConfigurationError,
  type Environment,
  flag,
  positiveInteger,
  readSettings,
  url,
  variable,
} from "../config.ts";

/** The settings of a pool; each also as `<SERVICE>_…`, which wins. */
export const databaseVariables = {
  url: variable("DATABASE_URL", url("postgres", "postgresql"), "PostgreSQL connection string.", {
    secret: true,
  }),
  maxConnections: variable(
    "DB_MAX_CONNECTIONS",
    positiveInteger(100, 10_000),
    "Connections of one process's pool, never exceeded.",
  ),
  minConnections: variable(
    "DB_MIN_CONNECTIONS",
    positiveInteger(5, 10_000),
    "Connections open before the service is ready, and kept open.",
  ),
  connectTimeoutSeconds: variable(
    "DB_CONNECT_TIMEOUT_SECS",
    positiveInteger(30, 3600),
    "For opening one connection.",
  ),
  acquireTimeoutSeconds: variable(
    "DB_ACQUIRE_TIMEOUT_SECS",
    positiveInteger(30, 3600),
    "For waiting for a free connection; then 503 POOL_EXHAUSTED.",
  ),
  idleTimeoutSeconds: variable(
    "DB_IDLE_TIMEOUT_SECS",
    positiveInteger(600, 86_400),
    "After it, an idle connection above the minimum is closed.",
  ),
  maxLifetimeSeconds: variable(
    "DB_MAX_LIFETIME_SECS",
    positiveInteger(1800, 604_800),
    "Before it ends, a connection is replaced by a new one.",
  ),
  migrateOnStart: variable(
    "MIGRATE_ON_START",
    flag(false),
    "Apply the service's migrations before it becomes ready (`npm run migrate` does it alone).",
  ),
} as const;

export interface DatabaseSettings {
  /** Also the schema that owns its tables, and its application_name. */
  readonly service: string;
  readonly url: string;
  readonly maxConnections: number;
  readonly minConnections: number;
  readonly connectTimeoutSeconds: number;
  readonly acquireTimeoutSeconds: number;
  readonly idleTimeoutSeconds: number;
  readonly maxLifetimeSeconds: number;
  readonly migrateOnStart: boolean;
}

/**
 * The settings of one service's database.
 * @throws {ConfigurationError} naming each wrong variable.
 */
export function readDatabaseSettings(service: string, environment: Environment): DatabaseSettings {
  const settings = readSettings(databaseVariables, environment, service.toUpperCase());
  if (settings.minConnections > settings.maxConnections) {
    throw new ConfigurationError(
      `DB_MIN_CONNECTIONS (${settings.minConnections}) must not be above DB_MAX_CONNECTIONS (${settings.maxConnections}) ` +
        `for ${service}. The minimum is 5 unless set.`,
    );
  }
  return Object.freeze({ service, ...settings });
}
