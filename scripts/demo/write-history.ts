// Writes history with the statement by which the service itself keeps snapshots.
import type { Query } from "../../services/common/database/transaction.ts";
import { NEVER, type SnapshotDraft, storeSnapshot } from "../../services/portfolios/snapshots/store.ts";

/**
 * Writes those that are not there yet; what is there stays. Answers how many were written.
 * @throws when the portfolio is not in this database: it is not the one that the service uses.
 */
export async function writeHistory(query: Query, drafts: readonly SnapshotDraft[]): Promise<number> {
  const [first] = drafts;
  if (!first) return 0;
  const { id, userId } = first.portfolio;
  const found = await query({
    text: "select from portfolios.portfolios where id = $1 and user_id = $2",
    values: [id, userId],
  });
  if (found.length === 0)
    throw new Error("The portfolio is not in the embedded database: no history is written anywhere else");
  let written = 0;
  for (const draft of drafts) if (await storeSnapshot(query, draft, NEVER)) written += 1;
  return written;
}
