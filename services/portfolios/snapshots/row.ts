import { isoTime } from "../../common/database/times.ts";
import type { AllocatedAsset } from "../contract/holdings.ts";
import type { Snapshot, SnapshotType } from "../contract/snapshots.ts";

/** A row of the table, as our statements read it. */
export interface SnapshotRow {
  readonly id: string;
  readonly portfolio_id: string;
  readonly snapshot_date: string;
  readonly snapshot_type: SnapshotType;
  readonly portfolio_name: string;
  readonly valued_at: string;
  readonly total_value_usd: string;
  readonly holdings: AllocatedAsset[];
  readonly has_sample_prices: boolean;
  readonly created_at: string;
}

/** The columns of a `SnapshotRow`, of the table that goes by the name `s` in a statement. */
export const COLUMNS = `
  s.id, s.portfolio_id, s.snapshot_date, s.snapshot_type, s.portfolio_name, s.valued_at,
  s.total_value_usd::text, s.holdings, s.has_sample_prices, s.created_at`;

/** The wire's form of a row. */
export function snapshotOf(row: SnapshotRow): Snapshot {
  const created_at = isoTime(row.created_at);
  const valuedAt = isoTime(row.valued_at);
  return {
    id: row.id,
    portfolio_id: row.portfolio_id,
    snapshot_date: row.snapshot_date,
    snapshot_type: row.snapshot_type,
    total_value_usd: row.total_value_usd,
    holdings: row.holdings,
    metadata: {
      portfolio_name: row.portfolio_name,
      allocation_as_of: valuedAt,
      snapshot_time: valuedAt,
      created_at,
      ...(row.has_sample_prices && { sample: true }),
    },
    created_at,
  };
}
