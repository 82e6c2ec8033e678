import type { Environment } from "../common/config.ts";
import { readDatabaseSettings } from "../common/database/config.ts";
import { openDatabase } from "../common/database/database.ts";
import { databaseProblem } from "../common/database/errors.ts";
import { openEvents } from "../common/events.ts";
import { openIdempotency } from "../common/idempotency.ts";
import { implement } from "../common/implement.ts";
import type { OpenService, ServiceModule } from "../common/service.ts";
import { market } from "../market/contract.ts";
import { readAccountsConfig } from "./config.ts";
import { accounts } from "./contract.ts";
import { accountHandlers } from "./handlers.ts";
import { migrations } from "./migrations/index.ts";
import { credentialSeal } from "./seal.ts";
import { syncHandlers } from "./sync/handlers.ts";
import { openSyncs } from "./sync/open-syncs.ts";
import type { ReadingTools } from "./sync/read-account.ts";

/** What reads accounts, with its settings from the environment. */
export type Connectors = (environment: Environment) => ReadingTools["connectorFor"];

/**
 * Users' accounts and what is in them. Every statement names the user, so nobody reaches another's.
 * @param connectors reads the settings of what reads accounts, when those of the service are read.
 */
export function accountsService(connectors: Connectors): ServiceModule {
  return (environment) => {
    const settings = readDatabaseSettings("accounts", environment);
    const config = readAccountsConfig(environment);
    const connectorFor = connectors(environment);

    return async (log, _unreadiness, hearers) => {
      const database = await openDatabase({ settings, entities: [], migrations, log });
      const { pool } = database;
      const seal = credentialSeal(config.credentialsKeys);
      const events = openEvents({ contract: accounts, pool, log, hearers });
      const idempotency = openIdempotency({ service: "accounts", pool, log });
      const syncs = openSyncs({ pool, seal, events, log, config, connectorFor });
      const schema = implement({
        contract: accounts,
        uses: [market],
        problemBehind: databaseProblem,
        idempotency,
        handlers: { ...accountHandlers({ pool, seal, events }), ...syncHandlers({ pool, jobs: syncs.jobs }) },
      });
      return {
        schema,
        uses: [market.name],
        unreadiness: database.unreadiness,
        metrics: together(syncs.metrics, events.metrics),
        async begin(outside) {
          idempotency.begin();
          await events.begin(outside);
          await syncs.begin(outside);
        },
        async end(limitMs) {
          idempotency.end();
          await syncs.end(limitMs);
          await events.end(limitMs);
        },
        close: database.close,
      };
    };
  };
}

type Metrics = NonNullable<OpenService["metrics"]>;

function together(...parts: readonly Metrics[]): Metrics {
  return {
    metrics: parts.flatMap(({ metrics }) => metrics),
    collect() {
      for (const { collect } of parts) collect();
    },
  };
}
