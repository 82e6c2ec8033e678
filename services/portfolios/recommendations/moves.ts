import type { Writing } from "../../common/database/writing.ts";
import { problem } from "../../common/problem.ts";
import type { Recommendation, RecommendationStatus } from "../contract/recommendation-members.ts";
import { getRecommendations, type RecommendationKey } from "./reads.ts";
import { COLUMNS, type RecommendationRow, recommendationOf, STATUS } from "./row.ts";

/** From which state each move leads to which. */
const MOVES = {
  approve: { from: "pending", to: "approved" },
  reject: { from: "pending", to: "rejected" },
  execute: { from: "approved", to: "executed" },
} as const satisfies Record<string, { from: RecommendationStatus; to: RecommendationStatus }>;
export type Move = keyof typeof MOVES;

/** One statement decides, by the database's clock: of two moves at once, the second finds the first one's state. */
const MOVE = `
  update portfolios.recommendations r
  set status = $5, version = r.version + 1, updated_at = now(),
    executed_at = case when $5 = 'executed' then now() end
  from portfolios.portfolios p
  where r.id = $3 and r.portfolio_id = $2 and p.id = r.portfolio_id and p.user_id = $1
    and ${STATUS} = $4 and ($6::int is null or r.version = $6)
  returning ${COLUMNS}`;

/**
 * Moves a recommendation to another state.
 * @throws PORTFOLIO_NOT_FOUND, RECOMMENDATION_NOT_FOUND, PRECONDITION_FAILED when `version` is given and is not its
 *   version, RECOMMENDATION_STATE when the move does not start where it is.
 */
export async function moveRecommendation(
  db: Pick<Writing, "query">,
  key: RecommendationKey & { readonly version: number | undefined },
  move: Move,
): Promise<Recommendation> {
  const { portfolio, id, version } = key;
  const { from, to } = MOVES[move];
  const [row] = await db.query<RecommendationRow>({
    name: "portfolios.move-recommendation",
    text: MOVE,
    values: [portfolio.userId, portfolio.id, id, from, to, version ?? null],
  });
  if (row) return recommendationOf(row);
  const [present] = await getRecommendations((statement) => db.query(statement), [{ portfolio, id }]);
  if (present === undefined) throw problem("PORTFOLIO_NOT_FOUND");
  if (present === null) throw problem("RECOMMENDATION_NOT_FOUND");
  if (version !== undefined && version !== present.version) throw problem("PRECONDITION_FAILED");
  throw problem("RECOMMENDATION_STATE", {
    detail: `The recommendation is ${present.status}; only one that is ${from} can be ${to}.`,
  });
}
