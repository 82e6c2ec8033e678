import { cursorAfter, positionOf } from "../common/database/cursor.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import { pageWithin } from "../common/page.ts";
import type { ExportedPortfolio } from "./contract/portfolio.ts";
import { type AllocationRow, allocationOf } from "./holdings/allocation-store.ts";
import { columnsOf, type PortfolioRow, portfolioOf } from "./row.ts";

type ExportRow = PortfolioRow & {
  readonly account_ids: string[];
} & (AllocationRow | { readonly as_of: null });

/** An allocation may fill half a message, so few are read at once, and each is weighed. */
const PORTFOLIOS_PER_PAGE = 20;
const ROWS_THAT_ALWAYS_FIT = 1;

const LIST = `
  select ${columnsOf("p")}, a.as_of, a.total_value_usd::text, a.holdings, array(
    select account_id from portfolios.portfolio_accounts where portfolio_id = p.id order by added_at, id
  ) as account_ids
  from portfolios.portfolios p
  left join portfolios.portfolio_allocations a on a.portfolio_id = p.id
  where p.user_id = $1 and (p.created_at, p.id) > ($2::timestamptz, $3::uuid)
  order by p.created_at, p.id
  limit $4`;

/** A page of a user's portfolios with what is kept of each: the accounts linked to it, and its allocation. */
export function exportPortfolios(pool: ConnectionPool, userId: string, cursor: string | undefined) {
  const after = positionOf(cursor);
  return pageWithin({
    limit: PORTFOLIOS_PER_PAGE,
    read: (rows) =>
      pool.query<ExportRow>({
        name: "portfolios.export",
        text: LIST,
        values: [userId, after.createdAt, after.id, rows],
      }),
    cursorAfter,
    item: exportedOf,
    rowsThatAlwaysFit: ROWS_THAT_ALWAYS_FIT,
  });
}

function exportedOf(row: ExportRow): ExportedPortfolio {
  return {
    ...portfolioOf(row),
    account_ids: row.account_ids,
    ...(row.as_of !== null && { allocation: allocationOf(row.id, row) }),
  };
}
