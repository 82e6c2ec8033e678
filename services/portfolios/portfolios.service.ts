import { readDatabaseSettings } from "../common/database/config.ts";
import { cursorAfter, positionOf } from "../common/database/cursor.ts";
import { openDatabase } from "../common/database/database.ts";
import { databaseProblem } from "../common/database/errors.ts";
import { implement } from "../common/implement.ts";
import { problem } from "../common/problem.ts";
import type { ServiceModule } from "../common/service.ts";
import { MAX_PAGE_SIZE } from "../common/values.ts";
import { portfolios, type TargetAllocation } from "./contract.ts";
import { sumsToHundred } from "./domain/targets.ts";
import { migrations } from "./migrations/index.ts";
import { PortfolioEntity } from "./portfolio.entity.ts";
import { portfolioReads } from "./reads.ts";
import { createPortfolio, deletePortfolio, updatePortfolio } from "./writes.ts";

/** Users' portfolios. Every statement names the user, so nobody reaches another's. */
const service: ServiceModule = (environment) => {
  const settings = readDatabaseSettings("portfolios", environment);

  return async (log) => {
    const database = await openDatabase({ settings, entities: [PortfolioEntity], migrations, log });
    const reads = portfolioReads(database.pool);

    const schema = implement({
      contract: portfolios,
      problemBehind: databaseProblem,
      handlers: {
        async list({ params: { limit = MAX_PAGE_SIZE, cursor }, principal: { userId } }) {
          // One row more than asked for tells whether there is a next page.
          const rows = await reads.list({ userId, after: positionOf(cursor), limit: limit + 1 });
          const items = rows.slice(0, limit);
          const last = items.at(-1);
          return rows.length > limit && last ? { items, next_cursor: cursorAfter(last) } : { items };
        },

        async create({ params, principal }) {
          checkTargets(params.target_allocation);
          return createPortfolio(database, principal.userId, params);
        },

        async get({ params: { id }, principal: { userId }, problem }) {
          const portfolio = await reads.get({ id, userId });
          if (!portfolio) throw problem("PORTFOLIO_NOT_FOUND");
          return portfolio;
        },

        async update({ params: { id, if_match, ...changes }, principal: { userId } }) {
          checkTargets(changes.target_allocation);
          return updatePortfolio(database, { id, userId, version: if_match }, changes);
        },

        async delete({ params: { id, if_match }, principal: { userId } }) {
          await deletePortfolio(database, { id, userId, version: if_match });
          return null;
        },
      },
    });
    return { schema, unreadiness: database.unreadiness, close: database.close };
  };
};
export default service;

function checkTargets(targets: TargetAllocation | null | undefined): void {
  if (!targets || sumsToHundred(targets)) return;
  const errors = [{ pointer: "/target_allocation", detail: "must sum up to 100, give or take 0.01" }];
  throw problem("TARGET_ALLOCATION_NOT_100", {
    detail: "The targets must sum up to 100, give or take 0.01.",
    errors,
  });
}
