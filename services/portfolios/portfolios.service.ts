import { readDatabaseSettings } from "../common/database/config.ts";
import { openDatabase } from "../common/database/database.ts";
import { databaseProblem } from "../common/database/errors.ts";
import { implement } from "../common/implement.ts";
import type { ServiceModule } from "../common/service.ts";
import { portfolios } from "./contract.ts";
import { migrations } from "./migrations/index.ts";
import { PortfolioEntity } from "./portfolio.entity.ts";
import { portfolioHandlers } from "./portfolio-handlers.ts";
import { portfolioReads } from "./reads.ts";

/** Users' portfolios. Every statement names the user, so nobody reaches another's. */
const service: ServiceModule = (environment) => {
  const settings = readDatabaseSettings("portfolios", environment);

  return async (log) => {
    const database = await openDatabase({ settings, entities: [PortfolioEntity], migrations, log });
    const reads = portfolioReads(database.pool);
    const schema = implement({
      contract: portfolios,
      problemBehind: databaseProblem,
      handlers: { ...portfolioHandlers(database, reads) },
    });
    return { schema, unreadiness: database.unreadiness, close: database.close };
  };
};
export default service;
