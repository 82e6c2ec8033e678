import type { Contract } from "../common/contract.ts";
import { cursorAfter, positionOf } from "../common/database/cursor.ts";
import type { Handlers } from "../common/implement.ts";
import { pageWithin } from "../common/page.ts";
import type { Principal } from "../common/principal.ts";
import { problem } from "../common/problem.ts";
import type { hearingActions } from "./contract/events.ts";
import type { portfolioActions, TargetAllocation } from "./contract/portfolio.ts";
import { sumsToHundred } from "./domain/targets.ts";
import { exportPortfolios } from "./export.ts";
import type { PortfolioReads } from "./reads.ts";
import { portfolioOf } from "./row.ts";
import {
  createPortfolio,
  deletePortfolio,
  erasePortfolios,
  forgetAccount,
  type PortfolioStore,
  updatePortfolio,
} from "./writes.ts";

/** What the actions on portfolios themselves do. */
export function portfolioHandlers(
  store: PortfolioStore,
  reads: PortfolioReads,
): Handlers<Contract<"portfolios", typeof portfolioActions & typeof hearingActions>, never> {
  const page = (userId: string, cursor?: string, limit?: number) =>
    pageWithin({
      limit,
      read: (rows) => reads.list({ userId, after: positionOf(cursor), limit: rows }),
      cursorAfter,
      item: portfolioOf,
    });

  return {
    async list({ params, principal: { userId, portfolioId } }) {
      if (portfolioId === undefined) return page(userId, params.cursor, params.limit);
      const only = await reads.get({ id: portfolioId, userId });
      return { items: only ? [only] : [] };
    },

    async create({ params, principal, once }) {
      // A token for one portfolio is for that one.
      if (principal.portfolioId !== undefined) throw problem("FORBIDDEN");
      checkTargets(params.target_allocation);
      return once((db) => createPortfolio(store.events, db, principal.userId, params));
    },

    async get({ params: { id }, principal }) {
      const portfolio = await reads.get({ id: reachable(principal, id), userId: principal.userId });
      if (!portfolio) throw problem("PORTFOLIO_NOT_FOUND");
      return portfolio;
    },

    async update({ params: { id, if_match, ...changes }, principal }) {
      checkTargets(changes.target_allocation);
      const key = { id: reachable(principal, id), userId: principal.userId, version: if_match };
      return updatePortfolio(store, key, changes);
    },

    async delete({ params: { id, if_match }, principal }) {
      const key = { id: reachable(principal, id), userId: principal.userId, version: if_match };
      await deletePortfolio(store, key);
      return null;
    },

    async exportUser({ params: { user_id, cursor } }) {
      return exportPortfolios(store.database.pool, user_id, cursor);
    },

    async eraseUser({ params: { user_id } }) {
      await erasePortfolios(store, user_id);
      return null;
    },

    accountDeleted: store.events.hearing("accountDeleted", (query, { payload }) =>
      forgetAccount(query, payload),
    ),
  };
}

/** The id, if the caller's token is not for another portfolio; then it is as if there were none. */
export function reachable({ portfolioId }: Principal, id: string): string {
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
