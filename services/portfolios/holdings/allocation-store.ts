import type { ConnectionPool } from "../../common/database/pool.ts";
import { isoTime } from "../../common/database/times.ts";
import type { Writing } from "../../common/database/writing.ts";
import { problem } from "../../common/problem.ts";
import type { AllocatedAsset, Allocation } from "../contract/holdings.ts";
import type { PortfolioKey } from "../reads.ts";

/** An allocation's columns, as our own statements read them. */
export interface AllocationRow {
  readonly as_of: string;
  readonly total_value_usd: string;
  readonly holdings: AllocatedAsset[];
}

// The portfolio's row is locked first, so that of several at once the last one stays, whole.
const STORE = `
  with portfolio as (
    update portfolios.portfolios set last_constructed_at = $3, updated_at = now(), version = version + 1
    where id = $1 and user_id = $2
    returning id
  )
  insert into portfolios.portfolio_allocations as a (portfolio_id, as_of, total_value_usd, holdings)
  select id, $3, $4, $5 from portfolio
  on conflict (portfolio_id) do update set
    as_of = excluded.as_of, total_value_usd = excluded.total_value_usd, holdings = excluded.holdings
  returning a.portfolio_id`;

/** Keeps an allocation in place of the one before. @throws PORTFOLIO_NOT_FOUND */
export async function storeAllocation(
  db: Pick<Writing, "query">,
  { id, userId }: PortfolioKey,
  { as_of, total_value_usd, holdings }: Allocation,
): Promise<void> {
  const [stored] = await db.query({
    name: "portfolios.construct",
    text: STORE,
    values: [id, userId, as_of, total_value_usd, JSON.stringify(holdings)],
  });
  if (!stored) throw problem("PORTFOLIO_NOT_FOUND");
}

/** The allocation as it was kept. @throws PORTFOLIO_NOT_FOUND, ALLOCATION_NOT_FOUND */
export async function readAllocation(
  pool: ConnectionPool,
  { id, userId }: PortfolioKey,
): Promise<Allocation> {
  const [row] = await pool.query<AllocationRow | { readonly as_of: null }>({
    name: "portfolios.allocation",
    text: `
      select a.as_of, a.total_value_usd::text, a.holdings
      from portfolios.portfolios p
      left join portfolios.portfolio_allocations a on a.portfolio_id = p.id
      where p.id = $1 and p.user_id = $2`,
    values: [id, userId],
  });
  if (!row) throw problem("PORTFOLIO_NOT_FOUND");
  if (row.as_of === null) throw problem("ALLOCATION_NOT_FOUND");
  return allocationOf(id, row);
}

/** The wire's form of a row. */
export function allocationOf(
  portfolioId: string,
  { total_value_usd, holdings, as_of }: AllocationRow,
): Allocation {
  return { portfolio_id: portfolioId, total_value_usd, holdings, as_of: isoTime(as_of) };
}
