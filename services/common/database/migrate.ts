import type { MigrationObject } from "@mikro-orm/core";
import { Migrator } from "@mikro-orm/migrations";
import { MikroORM, type Options } from "@mikro-orm/postgresql";

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

/**
 * Applies the migrations that are missing, in one transaction, under an advisory lock: of several that start at once,
 * one migrates and the others wait and find nothing to do. What a step has to `prepare` is there before.
 * @returns the names of those applied.
 */
export async function migrate({ service, url, migrations, log }: MigrateOptions): Promise<string[]> {
  const orm = await MikroORM.init({
    ...ormOptions({ service, url, migrations }),
    // The migrator looks at its table on a second connection while the first holds the lock.
    pool: { min: 0, max: 2 },
    driverOptions: { application_name: `${service} migrations`, connectionTimeoutMillis: 10_000 },
  });
  try {
    const applied = await orm.em.fork().transactional(async (em) => {
      // Before the lock: these limits would cut the wait for it, or the holder while it waits.
      for (const limit of ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]) {
        await em.execute(`set local ${limit} = 0`);
      }
      await em.execute("select pg_advisory_xact_lock(hashtextextended(?, 0))", [`${service}:migrations`]);
      for (const { prepare } of migrations) await prepare?.(service, url);
      return orm.migrator.up({ transaction: em.getTransactionContext() });
    });
    const names = applied.map(({ name }) => name);
    log.info(names.length > 0 ? `Migrations applied: ${names.join(", ")}` : "Migrations are up to date");
    return names;
  } finally {
    await orm.close();
  }
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
