import { randomUUIDv7 } from "node:crypto";
import type { Query } from "../../common/database/transaction.ts";
import type { AllocatedAsset } from "../contract/holdings.ts";
import type { SnapshotType } from "../contract/snapshots.ts";
import type { PortfolioKey } from "../reads.ts";

/** What is to be kept of a portfolio. */
export interface SnapshotDraft {
  readonly portfolio: PortfolioKey;
  readonly snapshot_date: string;
  readonly snapshot_type: SnapshotType;
  readonly portfolio_name: string;
  /** RFC 3339. */
  readonly valued_at: string;
  readonly total_value_usd: string;
  readonly holdings: readonly AllocatedAsset[];
  readonly has_sample_prices: boolean;
}

/** Replaces whatever snapshot of the day and type there is; or none. */
export const ALWAYS = "infinity";
export const NEVER = "-infinity";

const STORE = `
  with portfolio as (
    select id from portfolios.portfolios where id = $1 and user_id = $2 for key share
  )
  insert into portfolios.snapshots as s (
    id, portfolio_id, snapshot_date, snapshot_type, portfolio_name, valued_at, total_value_usd, holdings,
    has_sample_prices
  )
  select $3::uuid, portfolio.id, $4::date, $5::text, $6::text, $7::timestamptz, $8::numeric, $9::json, $10::boolean
  from portfolio
  on conflict (portfolio_id, snapshot_date, snapshot_type) do update set
    portfolio_name = excluded.portfolio_name, valued_at = excluded.valued_at,
    total_value_usd = excluded.total_value_usd, holdings = excluded.holdings,
    has_sample_prices = excluded.has_sample_prices, created_at = excluded.created_at
  where s.valued_at < $11::timestamptz
  returning s.id`;

/**
 * Keeps a snapshot, in place of one of the day and type that was valued before `replacing` (a time, ALWAYS or NEVER).
 * Answers its id; undefined when nothing was stored, because there is a later one or no such portfolio.
 */
export async function storeSnapshot(
  query: Query,
  draft: SnapshotDraft,
  replacing: string,
): Promise<string | undefined> {
  const [stored] = await query<{ id: string }>({
    name: "portfolios.store-snapshot",
    text: STORE,
    values: [
      draft.portfolio.id,
      draft.portfolio.userId,
      randomUUIDv7(),
      draft.snapshot_date,
      draft.snapshot_type,
      draft.portfolio_name,
      draft.valued_at,
      draft.total_value_usd,
      // The driver would make an array of PostgreSQL's of it.
      JSON.stringify(draft.holdings),
      draft.has_sample_prices,
      replacing,
    ],
  });
  return stored?.id;
}
