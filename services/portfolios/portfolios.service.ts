import { accounts } from "../accounts/contract.ts";
import { readDatabaseSettings } from "../common/database/config.ts";
import { openDatabase } from "../common/database/database.ts";
import { databaseProblem } from "../common/database/errors.ts";
import { openEvents } from "../common/events.ts";
import { openIdempotency } from "../common/idempotency.ts";
import { implement } from "../common/implement.ts";
import type { ServiceModule } from "../common/service.ts";
import { market } from "../market/contract.ts";
import { readPortfoliosConfig } from "./config.ts";
import { portfolios } from "./contract.ts";
import { driftChecks } from "./drift/drift-check.ts";
import { driftHandlers } from "./drift/drift-handlers.ts";
import { holdingsHandlers } from "./holdings/holdings-handlers.ts";
import { linkHandlers } from "./links/link-handlers.ts";
import { migrations } from "./migrations/index.ts";
import { PortfolioEntity } from "./portfolio.entity.ts";
import { portfolioHandlers } from "./portfolio-handlers.ts";
import { portfolioReads } from "./reads.ts";
import { recommendationHandlers } from "./recommendations/handlers.ts";
import { openSnapshots } from "./snapshots/open-snapshots.ts";
import { valuations } from "./valuation.ts";

/** Users' portfolios. Every statement names the user, so nobody reaches another's. */
const service: ServiceModule = (environment) => {
  const config = readPortfoliosConfig(environment);
  const settings = readDatabaseSettings("portfolios", environment);

  return async (log, _unreadiness, hearers) => {
    const database = await openDatabase({ settings, entities: [PortfolioEntity], migrations, log });
    const { pool } = database;
    const reads = portfolioReads(pool);
    const value = valuations(pool);
    const events = openEvents({ contract: portfolios, pool, log, hearers });
    const idempotency = openIdempotency({ service: "portfolios", pool, log });
    const checkDrift = driftChecks(pool, (query, breached) =>
      events.store(query, "portfolios.drift_breached", breached.portfolio_id, breached),
    );
    const snapshots = openSnapshots({
      pool,
      config,
      log,
      value,
      checkDrift,
      tell: (query, taken) => events.store(query, "portfolios.snapshot_taken", taken.portfolio_id, taken),
    });
    const schema = implement({
      contract: portfolios,
      uses: [accounts, market],
      problemBehind: databaseProblem,
      idempotency,
      handlers: {
        ...portfolioHandlers({ database, events }, reads),
        ...linkHandlers(pool, reads),
        ...holdingsHandlers(pool, value),
        ...driftHandlers(value, checkDrift),
        ...recommendationHandlers(pool, value),
        ...snapshots.handlers,
      },
    });
    return {
      schema,
      uses: [accounts.name, market.name],
      unreadiness: database.unreadiness,
      metrics: {
        metrics: [...snapshots.metrics.metrics, ...events.metrics.metrics],
        collect() {
          snapshots.metrics.collect();
          events.metrics.collect();
        },
      },
      async begin(outside) {
        idempotency.begin();
        await events.begin(outside);
        await snapshots.begin(outside);
      },
      async end(limitMs) {
        idempotency.end();
        await snapshots.end(limitMs);
        await events.end(limitMs);
      },
      close: database.close,
    };
  };
};
export default service;
