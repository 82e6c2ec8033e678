import type { accounts } from "../../accounts/contract.ts";
import type { Contract } from "../../common/contract.ts";
import type { Handlers } from "../../common/implement.ts";
import type { market } from "../../market/contract.ts";
import type { driftActions, PortfolioDrift } from "../contract/drift.ts";
import type { Drift } from "../domain/drift.ts";
import { fitting } from "../holdings/reply-size.ts";
import { reachable } from "../portfolio-handlers.ts";
import type { Valuation, Value } from "../valuation.ts";
import type { CheckDrift } from "./drift-check.ts";

type DriftHandlers = Handlers<Contract<"portfolios", typeof driftActions>, typeof accounts | typeof market>;

/** What the action on a portfolio's drift does. */
export function driftHandlers(value: Value, checkDrift: CheckDrift): DriftHandlers {
  return {
    async drift({ params: { id }, principal, call }) {
      const valuation = await value({ id: reachable(principal, id), userId: principal.userId }, call);
      return driftReply(valuation, await checkDrift(valuation));
    },
  };
}

function driftReply({ portfolio, as_of }: Valuation, { reason, ...drift }: Drift): PortfolioDrift {
  const result = {
    portfolio_id: portfolio.id,
    ...drift,
    ...(reason !== null && { reason }),
    assets: [...drift.assets],
    guardrails: [...drift.guardrails],
    as_of,
  };
  return fitting(result, result.assets.length);
}
