import { readDatabaseSettings } from "../common/database/config.ts";
import { openDatabase } from "../common/database/database.ts";
import { databaseProblem } from "../common/database/errors.ts";
import { openEvents } from "../common/events.ts";
import { openIdempotency } from "../common/idempotency.ts";
import { implement } from "../common/implement.ts";
import { readOutgoingRules } from "../common/outgoing/config.ts";
import { openOutgoing } from "../common/outgoing/outgoing.ts";
import type { ServiceModule } from "../common/service.ts";
import { readMarketConfig } from "./config.ts";
import { market } from "./contract.ts";
import { handlersOf } from "./handlers.ts";
import { migrations } from "./migrations/index.ts";
import { openPrices } from "./prices/open-prices.ts";

/** For one request of a provider's; some 30,000 coins are 32 MiB. */
const OUTGOING_LIMITS = { timeoutMs: 20_000, maxBodyBytes: 32 * 1024 * 1024 };

/** Assets, their prices, and the registries of chains and tokens. */
const service: ServiceModule = (environment) => {
  const config = readMarketConfig(environment);
  const settings = readDatabaseSettings("market", environment);
  const urls = [
    ["COINPAPRIKA_URL", config.coinPaprika.url],
    ["COINGECKO_URL", config.coinGecko.url],
  ] as const;
  // Those that nobody has set are among the hosts that are known, unless others are said.
  const rules = readOutgoingRules(
    environment,
    urls.filter(([name]) => environment[name]),
  );

  return async (log, _unreadiness, hearers) => {
    const database = await openDatabase({ settings, entities: [], migrations, log });
    const { pool } = database;
    const events = openEvents({ contract: market, pool, log, hearers });
    const idempotency = openIdempotency({ service: "market", pool, log });
    const outgoing = openOutgoing({ rules, ...OUTGOING_LIMITS });
    const prices = openPrices({
      pool,
      config,
      log,
      fetch: outgoing.fetch,
      updated: (query, event) => events.store(query, "market.prices_updated", "prices", event),
    });

    const schema = implement({
      contract: market,
      problemBehind: databaseProblem,
      idempotency,
      handlers: handlersOf(pool, config, prices),
    });
    return {
      schema,
      unreadiness: database.unreadiness,
      metrics: {
        metrics: [...prices.metrics.metrics, ...events.metrics.metrics],
        collect() {
          prices.metrics.collect();
          events.metrics.collect();
        },
      },
      async begin(outside) {
        idempotency.begin();
        await events.begin(outside);
        await prices.begin();
      },
      async end(limitMs) {
        idempotency.end();
        await prices.end(limitMs);
        await events.end(limitMs);
      },
      async close() {
        outgoing.close();
        await database.close();
      },
    };
  };
};
export default service;
