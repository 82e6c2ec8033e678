import { readDatabaseSettings } from "../common/database/config.ts";
import { cursorAfter, positionOf } from "../common/database/cursor.ts";
import { openDatabase } from "../common/database/database.ts";
import { databaseProblem } from "../common/database/errors.ts";
import { implement } from "../common/implement.ts";
import { pageWithin } from "../common/page.ts";
import type { Principal } from "../common/principal.ts";
import { problem } from "../common/problem.ts";
import type { ServiceModule } from "../common/service.ts";
import { portfolios, type TargetAllocation } from "./contract.ts";
import { sumsToHundred } from "./domain/targets.ts";
import { migrations } from "./migrations/index.ts";
import { PortfolioEntity } from "./portfolio.entity.ts";
import { portfolioReads } from "./reads.ts";
import { portfolioOf } from "./row.ts";
import { createPortfolio, deletePortfolio, erasePortfolios, updatePortfolio } from "./writes.ts";

/** Users' portfolios. Every statement names the user, so nobody reaches another's. */
const service: ServiceModule = (environment) => {
  const settings = readDatabaseSettings("portfolios", environment);

  return async (log) => {
    const database = await openDatabase({ settings, entities: [PortfolioEntity], migrations, log });
    const reads = portfolioReads(database.pool);

    const page = (userId: string, cursor?: string, limit?: number) =>
      pageWithin({
        limit,
        read: (rows) => reads.list({ userId, after: positionOf(cursor), limit: rows }),
        cursorAfter,
        item: portfolioOf,
      });

    const schema = implement({
      contract: portfolios,
      problemBehind: databaseProblem,
      handlers: {
        async list({ params, principal: { userId, portfolioId } }) {
          if (portfolioId === undefined) return page(userId, params.cursor, params.limit);
          const only = await reads.get({ id: portfolioId, userId });
          return { items: only ? [only] : [] };
        },

        async create({ params, principal }) {
          // A token for one portfolio is for that one.
          if (principal.portfolioId !== undefined) throw problem("FORBIDDEN");
          checkTargets(params.target_allocation);
          return createPortfolio(database, principal.userId, params);
        },

        async get({ params: { id }, principal }) {
          const portfolio = await reads.get({ id: reachable(principal, id), userId: principal.userId });
          if (!portfolio) throw problem("PORTFOLIO_NOT_FOUND");
          return portfolio;
        },

        async update({ params: { id, if_match, ...changes }, principal }) {
          checkTargets(changes.target_allocation);
          const key = { id: reachable(principal, id), userId: principal.userId, version: if_match };
          return updatePortfolio(database, key, changes);
        },

        async delete({ params: { id, if_match }, principal }) {
          const key = { id: reachable(principal, id), userId: principal.userId, version: if_match };
          await deletePortfolio(database, key);
          return null;
        },

        async exportUser({ params: { user_id, cursor } }) {
          return page(user_id, cursor);
        },

        async eraseUser({ params: { user_id } }) {
          await erasePortfolios(database, user_id);
          return null;
        },
      },
    });
    return { schema, unreadiness: database.unreadiness, close: database.close };
  };
};
export default service;

/** The id, if the caller's token is not for another portfolio; then it is as if there were none. */
function reachable({ portfolioId }: Principal, id: string): string {
  if (portfolioId !== undefined && portfolioId !== id) throw problem("PORTFOLIO_NOT_FOUND");
  return id;
}

function checkTargets(targets: TargetAllocation | null | undefined): void {
  if (!targets || sumsToHundred(targets)) return;
  const errors = [{ pointer: "/target_allocation", detail: "must sum up to 100, give or take 0.01" }];
  throw problem("TARGET_ALLOCATION_NOT_100", {
    detail: "The targets must sum up to 100, give or take 0.01.",
    errors,
  });
}
