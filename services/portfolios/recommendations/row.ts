import { isoTime } from "../../common/database/times.ts";
import type {
  ProposedOrder,
  Recommendation,
  RecommendationStatus,
  RecommendationType,
} from "../contract/recommendation-members.ts";

/** A row of the table, as our statements read it: with the state that it is in now. */
export interface RecommendationRow {
  readonly id: string;
  readonly portfolio_id: string;
  readonly status: RecommendationStatus;
  readonly recommendation_type: RecommendationType;
  readonly rationale: string;
  readonly proposed_orders: ProposedOrder[];
  readonly expected_impact: string | null;
  readonly metadata: Recommendation["metadata"];
  readonly created_at: string;
  readonly updated_at: string;
  readonly executed_at: string | null;
  readonly price_as_of: string | null;
  readonly inputs_hash: string | null;
  readonly expires_at: string | null;
  readonly version: number;
}

/** Whether the row `r` of a statement is pending no longer because its time has passed; nobody has to write that down. */
const HAS_PASSED = "(r.status = 'pending' and r.expires_at is not null and r.expires_at <= now())";
/** The state of `r` now. */
export const STATUS = `(case when ${HAS_PASSED} then 'expired' else r.status end)`;

/** The columns of a `RecommendationRow`, of the table that goes by the name `r` in a statement. Expiring is a change, too. */
export const COLUMNS = `
  r.id, r.portfolio_id, ${STATUS} as status, r.recommendation_type, r.rationale, r.proposed_orders,
  r.expected_impact, r.metadata, r.created_at, r.executed_at, r.price_as_of, r.inputs_hash, r.expires_at,
  case when ${HAS_PASSED} then r.expires_at else r.updated_at end as updated_at,
  case when ${HAS_PASSED} then r.version + 1 else r.version end as version`;

/** The wire's form of a row. */
export function recommendationOf(row: RecommendationRow): Recommendation {
  return {
    id: row.id,
    portfolio_id: row.portfolio_id,
    status: row.status,
    recommendation_type: row.recommendation_type,
    rationale: row.rationale,
    proposed_orders: row.proposed_orders,
    expected_impact: row.expected_impact,
    metadata: row.metadata,
    created_at: isoTime(row.created_at),
    updated_at: isoTime(row.updated_at),
    executed_at: timeOrNull(row.executed_at),
    price_as_of: timeOrNull(row.price_as_of),
    inputs_hash: row.inputs_hash,
    expires_at: timeOrNull(row.expires_at),
    version: row.version,
  };
}

function timeOrNull(text: string | null): string | null {
  return text === null ? null : isoTime(text);
}
