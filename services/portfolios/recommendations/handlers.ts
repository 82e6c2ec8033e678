import type { accounts } from "../../accounts/contract.ts";
import type { Contract } from "../../common/contract.ts";
import type { ConnectionPool } from "../../common/database/pool.ts";
import type { Once } from "../../common/idempotency.ts";
import type { Handlers } from "../../common/implement.ts";
import type { Principal } from "../../common/principal.ts";
import { problem } from "../../common/problem.ts";
import type { market } from "../../market/contract.ts";
import type { recommendationActions } from "../contract/recommendations.ts";
import { reachable } from "../portfolio-handlers.ts";
import type { PortfolioKey } from "../reads.ts";
import type { Value } from "../valuation.ts";
import { engineInput, staleAssets } from "./engine-input.ts";
import { type Move, moveRecommendation } from "./moves.ts";
import { proposalOf } from "./proposal.ts";
import { recommendationReads } from "./reads.ts";
import { createRecommendation, expireGenerated, keepGenerated } from "./writes.ts";

/** What the actions on recommendations do. */
export function recommendationHandlers(
  pool: ConnectionPool,
  value: Value,
): Handlers<Contract<"portfolios", typeof recommendationActions>, typeof accounts | typeof market> {
  const reads = recommendationReads(pool);

  function mover(move: Move) {
    return ({ params, principal, once }: MoveContext) => {
      const { id, recommendation_id, if_match } = params;
      const key = { portfolio: keyOf(principal, id), id: recommendation_id, version: if_match };
      return once((db) => moveRecommendation(db, key, move));
    };
  }

  return {
    async listRecommendations({ params: { id, status, recommendation_type, cursor, limit }, principal }) {
      const portfolio = keyOf(principal, id);
      const page = await reads.list({ portfolio, status, type: recommendation_type, cursor, limit });
      if (!page) throw problem("PORTFOLIO_NOT_FOUND");
      return { portfolio_id: id, ...page };
    },

    async getRecommendation({ params: { id, recommendation_id }, principal }) {
      const found = await reads.get({ portfolio: keyOf(principal, id), id: recommendation_id });
      if (found === undefined) throw problem("PORTFOLIO_NOT_FOUND");
      if (found === null) throw problem("RECOMMENDATION_NOT_FOUND");
      return found;
    },

    async createRecommendation({ params, principal, once }) {
      const { id, expected_impact, metadata, ...members } = params;
      const draft = { ...members, expected_impact: expected_impact ?? null, metadata: metadata ?? null };
      const portfolio = keyOf(principal, id);
      return once((db) => createRecommendation(db, portfolio, draft));
    },

    async generateRecommendations({ params: { id, ...constraints }, principal, call, once }) {
      const portfolio = keyOf(principal, id);
      return once(async (db) => {
        const valuation = await value(portfolio, call);
        const input = engineInput(valuation, constraints);
        const proposal = proposalOf(input, staleAssets(input, valuation));
        if (!proposal) {
          await expireGenerated(db, portfolio);
          return { portfolio_id: id, recommendations: [], total_count: 0 };
        }
        // Who asks again and again should not wait in line for a lock.
        const same = await reads.pending(portfolio, proposal.inputs_hash);
        const recommendation = same ?? (await keepGenerated(db, portfolio, proposal));
        return { portfolio_id: id, recommendations: [recommendation], total_count: 1 };
      });
    },

    approveRecommendation: mover("approve"),
    rejectRecommendation: mover("reject"),
    executeRecommendation: mover("execute"),

    async exportRecommendations({ params: { user_id, cursor } }) {
      return reads.exportPage(user_id, cursor);
    },
  };
}

interface MoveContext {
  readonly params: {
    readonly id: string;
    readonly recommendation_id: string;
    readonly if_match?: number | undefined;
  };
  readonly principal: Principal;
  readonly once: Once;
}

function keyOf(principal: Principal, id: string): PortfolioKey {
  return { id: reachable(principal, id), userId: principal.userId };
}
