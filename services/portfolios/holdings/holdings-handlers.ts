import type { accounts } from "../../accounts/contract.ts";
import type { Contract } from "../../common/contract.ts";
import type { ConnectionPool } from "../../common/database/pool.ts";
import type { Handlers } from "../../common/implement.ts";
import type { market } from "../../market/contract.ts";
import type { Allocation, holdingsActions, PortfolioHoldings } from "../contract/holdings.ts";
import { storedAllocation } from "../domain/allocation.ts";
import { reachable } from "../portfolio-handlers.ts";
import type { Valuation, Value } from "../valuation.ts";
import { readAllocation, storeAllocation } from "./allocation-store.ts";
import { fitting } from "./reply-size.ts";

type HoldingsHandlers = Handlers<
  Contract<"portfolios", typeof holdingsActions>,
  typeof accounts | typeof market
>;

/** What the actions on a portfolio's holdings do. */
export function holdingsHandlers(pool: ConnectionPool, value: Value): HoldingsHandlers {
  return {
    async holdings({ params: { id }, principal, call }) {
      const key = { id: reachable(principal, id), userId: principal.userId };
      return holdingsOf(await value(key, call));
    },

    async construct({ params: { id }, principal, call, once }) {
      const key = { id: reachable(principal, id), userId: principal.userId };
      return once(async (db) => {
        const constructed = allocationNow(await value(key, call));
        await storeAllocation(db, key, constructed);
        return constructed;
      });
    },

    async allocation({ params: { id }, principal }) {
      return readAllocation(pool, { id: reachable(principal, id), userId: principal.userId });
    },
  };
}

function holdingsOf({ portfolio, holdings, as_of }: Valuation): PortfolioHoldings {
  const { total_value_usd, incomplete, allocation } = holdings;
  const rows = holdings.holdings.map((row) => ({ ...row, accounts: [...row.accounts] }));
  const shares = rows.reduce((sum, row) => sum + row.accounts.length, 0);
  const result = {
    portfolio_id: portfolio.id,
    total_value_usd,
    incomplete,
    holdings: rows,
    allocation: [...allocation],
    as_of,
  };
  return fitting(result, shares);
}

/** What a valuation holds, in the form in which it is kept. @throws PORTFOLIO_TOO_LARGE */
export function allocationNow({ portfolio, holdings, as_of }: Valuation): Allocation {
  const { total_value_usd, holdings: kept } = storedAllocation(holdings);
  return fitting({ portfolio_id: portfolio.id, total_value_usd, holdings: [...kept], as_of }, kept.length);
}
