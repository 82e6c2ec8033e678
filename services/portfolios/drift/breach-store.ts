import { coalesce } from "../../common/database/coalesce.ts";
import type { ConnectionPool } from "../../common/database/pool.ts";
import { retryLostRaces } from "../../common/database/retry.ts";
import { inTransaction, type Query } from "../../common/database/transaction.ts";
import type { PortfolioKey } from "../reads.ts";

// What is told is what this statement has inserted, so that of several that find the same breach, one tells of it.
const REPLACE = `
  with portfolio as (
    select id from portfolios.portfolios where id = $1 and user_id = $2 for key share
  ), ended as (
    delete from portfolios.drift_breaches
    where portfolio_id in (select id from portfolio) and subject <> all ($3::text[])
  )
  insert into portfolios.drift_breaches (portfolio_id, subject)
  select portfolio.id, subject from portfolio cross join unnest($3::text[]) as subject
  on conflict do nothing
  returning subject`;

/** Of each portfolio, what is known to be beyond its limits. */
export function knownBreaches(pool: ConnectionPool) {
  return coalesce<string, ReadonlySet<string>>({
    maxBatchSize: 200,
    maxBatches: 2,
    read: async (portfolioIds, askedAt) => {
      const rows = await pool.query<{ portfolio_id: string; subject: string }>(
        {
          name: "portfolios.known-breaches",
          text: "select portfolio_id, subject from portfolios.drift_breaches where portfolio_id = any ($1)",
          values: [portfolioIds],
        },
        askedAt,
      );
      const byPortfolio = Map.groupBy(rows, ({ portfolio_id }) => portfolio_id);
      return portfolioIds.map((id) => new Set(byPortfolio.get(id)?.map(({ subject }) => subject)));
    },
  });
}

/**
 * Keeps what is beyond its limits now, all of it, and tells of what was not known yet, in the same transaction.
 * Where the portfolio is gone, nothing happens.
 */
export function keepBreaches(
  pool: ConnectionPool,
  { id, userId }: PortfolioKey,
  subjects: readonly string[],
  tell: (query: Query, subjects: ReadonlySet<string>) => Promise<void>,
): Promise<void> {
  // In one order, so that two of them wait for each other and do not block each other.
  const sorted = subjects.toSorted();
  return retryLostRaces(() =>
    inTransaction(pool, async (query) => {
      const inserted = await query<{ subject: string }>({
        name: "portfolios.keep-breaches",
        text: REPLACE,
        values: [id, userId, sorted],
      });
      if (inserted.length > 0) await tell(query, new Set(inserted.map(({ subject }) => subject)));
    }),
  );
}
