import type { MigrationObject } from "@mikro-orm/core";
import { Migrator } from "@mikro-orm/migrations";
import { type EntityManager, MikroORM, type Options } from "@mikro-orm/postgresql";
import { isLockTimeout, LOCK_TIMEOUT_MS, untilUnlocked } from "./migration-locks.ts";

/** A migration, and what has to be in the database before it and is not ours to write. */
export interface MigrationStep extends MigrationObject {
  /** Done each time, under the lock and before the transaction: it finds out itself whether there is anything to do. */
  readonly prepare?: (service: string, url: string) => Promise<void>;
}

/** A service's migrations, in order; forward only. */
export type MigrationList = readonly MigrationStep[];

export interface MigrateOptions {
  /** Whose schema it is. */
  readonly service: string;
  readonly url: string;
  readonly migrations: MigrationList;
  readonly log: { info(message: string): void };
}

/** Of several that migrate at once, each waits so long for those before it; that keeps nobody else waiting. */
const TURN_TIMEOUT_MS = 300_000;

/**
 * Applies the migrations that are missing, in one transaction, under an advisory lock: of several that start at once,
 * one migrates and the others wait and find nothing to do. What a step has to `prepare` is there before. Where others hold
 * locks on the tables, it begins again a few times (`migration-locks.ts`).
 * @returns the names of those applied.
 */
export async function migrate({ service, url, migrations, log }: MigrateOptions): Promise<string[]> {
  const orm = await MikroORM.init({
    ...ormOptions({ service, url, migrations }),
    // The migrator looks at its table on a second connection while the first holds the lock.
    pool: { min: 0, max: 2 },
    driverOptions: {
      application_name: `${service} migrations`,
      connectionTimeoutMillis: 10_000,
      lock_timeout: LOCK_TIMEOUT_MS,
    },
  });
  try {
    const applied = await untilUnlocked(service, log, () => apply(orm, { service, url, migrations }));
    const names = applied.map(({ name }) => name);
    log.info(names.length > 0 ? `Migrations applied: ${names.join(", ")}` : "Migrations are up to date");
    return names;
  } finally {
    await orm.close();
  }
}

function apply(orm: MikroORM, { service, url, migrations }: Omit<MigrateOptions, "log">) {
  return orm.em.fork().transactional(async (em) => {
    // They would cut the wait for the turn, or whoever has it while a step is prepared.
    for (const limit of ["statement_timeout", "idle_in_transaction_session_timeout"]) {
      await em.execute(`set local ${limit} = 0`);
    }
    await takeTurn(em, service);
    for (const { prepare } of migrations) await prepare?.(service, url);
    return orm.migrator.up({ transaction: em.getTransactionContext() });
  });
}

async function takeTurn(em: EntityManager, service: string): Promise<void> {
  await em.execute(`set local lock_timeout = ${TURN_TIMEOUT_MS}`);
  try {
    await em.execute("select pg_advisory_xact_lock(hashtextextended(?, 0))", [`${service}:migrations`]);
  } catch (error) {
    if (!isLockTimeout(error)) throw error;
    const minutes = TURN_TIMEOUT_MS / 60_000;
    throw new Error(
      `another migration of ${service} has been under way for ${minutes} minutes. Wait until it has ended.`,
      { cause: error },
    );
  }
  await em.execute(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
}

/** What MikroORM has in common for serving and for migrating. */
export function ormOptions({ service, url, migrations }: Omit<MigrateOptions, "log">): Options {
  return {
    clientUrl: url,
    schema: service,
    ensureDatabase: false,
    discovery: { warnWhenNoEntities: false },
    debug: false,
    extensions: [Migrator],
    migrations: {
      schema: service,
      tableName: "migrations",
      snapshot: false,
      silent: true,
      migrationsList: migrations.map(({ name, class: type }) => ({ name, class: type })),
    },
  };
}
