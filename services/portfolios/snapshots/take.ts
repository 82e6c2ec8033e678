import type { Query } from "../../common/database/transaction.ts";
import type { Writing } from "../../common/database/writing.ts";
import type { SnapshotResult, SnapshotTaken, SnapshotType } from "../contract/snapshots.ts";
import { allocationNow } from "../holdings/holdings-handlers.ts";
import type { Valuation } from "../valuation.ts";
import { storeSnapshot } from "./store.ts";

/** How the market calls the source of prices that came with the installation. */
const SAMPLE = "sample";

/** Stores the event in the transaction of the snapshot. */
export type TellSnapshot = (query: Query, event: SnapshotTaken) => Promise<void>;

export interface TakeOptions {
  readonly snapshot_type: SnapshotType;
  readonly snapshot_date: string;
  /** Earlier valued ones of the day and type are replaced: a time, ALWAYS or NEVER. */
  readonly replacing: string;
}

/**
 * Keeps a portfolio's valuation as a snapshot. Undefined when nothing was stored: there is a later one, or the portfolio
 * is gone. @throws PORTFOLIO_TOO_LARGE
 */
export type KeepSnapshot = (
  db: Writing,
  valuation: Valuation,
  options: TakeOptions,
) => Promise<SnapshotResult | undefined>;

export function snapshotKeeper(tell: TellSnapshot): KeepSnapshot {
  return (db, valuation, { snapshot_type, snapshot_date, replacing }) => {
    const { portfolio, as_of } = valuation;
    const { id, user_id } = portfolio;
    const { total_value_usd, holdings } = allocationNow(valuation);
    const draft = {
      portfolio: { id, userId: user_id },
      snapshot_date,
      snapshot_type,
      portfolio_name: portfolio.name,
      valued_at: as_of,
      total_value_usd,
      holdings,
      has_sample_prices: valuation.holdings.holdings.some(({ price_source }) => price_source === SAMPLE),
    };
    return db.transaction(async (query) => {
      const snapshot_id = await storeSnapshot(query, draft, replacing);
      if (snapshot_id === undefined) return undefined;
      await tell(query, {
        portfolio_id: id,
        user_id,
        snapshot_id,
        snapshot_date,
        snapshot_type,
        total_value_usd,
        snapshot_time: as_of,
      });
      return {
        portfolio_id: id,
        snapshot_id,
        success: true,
        holdings_count: holdings.length,
        total_value_usd,
      };
    });
  };
}
