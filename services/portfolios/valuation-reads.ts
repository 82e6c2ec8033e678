import { coalesce } from "../common/database/coalesce.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import type { Portfolio } from "./contract/portfolio.ts";
import type { PortfolioKey } from "./reads.ts";
import { columnsOf, type PortfolioRow, portfolioOf } from "./row.ts";

/** A portfolio with the accounts that it is made of, in the order in which they were linked. */
export interface LinkedPortfolio {
  readonly portfolio: Portfolio;
  readonly accountIds: readonly string[];
}

type AskedRow = PortfolioRow & { readonly position: string; readonly account_ids: string[] };

const GET = `
  select asked.position, ${columnsOf("p")}, array(
    select account_id from portfolios.portfolio_accounts where portfolio_id = p.id order by added_at, id
  ) as account_ids
  from unnest($1::uuid[], $2::uuid[]) with ordinality as asked (id, user_id, position)
  join portfolios.portfolios p on p.id = asked.id and p.user_id = asked.user_id`;

/** Reads the user's portfolio of that id with its accounts; undefined when there is none, or when it is someone else's. */
export function linkedPortfolios(pool: ConnectionPool) {
  return coalesce<PortfolioKey, LinkedPortfolio | undefined>({
    maxBatchSize: 200,
    maxBatches: 2,
    read: async (keys, askedAt) => {
      const values = [keys.map(({ id }) => id), keys.map(({ userId }) => userId)];
      const rows = await pool.query<AskedRow>({ name: "portfolios.linked", text: GET, values }, askedAt);
      const found = new Map(
        rows.map((row) => [
          Number(row.position) - 1,
          { portfolio: portfolioOf(row), accountIds: row.account_ids },
        ]),
      );
      return keys.map((_, position) => found.get(position));
    },
  });
}
