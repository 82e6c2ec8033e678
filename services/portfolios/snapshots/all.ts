import { databaseProblem } from "../../common/database/errors.ts";
import type { ConnectionPool } from "../../common/database/pool.ts";
import type { Principal } from "../../common/principal.ts";
import { problem, problemKinds, problemOf } from "../../common/problem.ts";
import type { Log } from "../../common/service.ts";
import { MAX_PORTFOLIOS_AT_ONCE, type SnapshotResult } from "../contract/snapshots.ts";
import { forEach } from "./for-each.ts";

/** So many of one request are valued at once; others want to be answered, too. */
const AT_ONCE = 4;
/** What one snapshot may take; with less left of the request's time, none is begun. */
const NEEDED_MS = 2_000;

/** The ids of all portfolios that the caller may reach, oldest first. @throws TOO_MANY_PORTFOLIOS */
export async function allPortfolios(
  pool: ConnectionPool,
  { userId, portfolioId }: Principal,
): Promise<string[]> {
  const rows = await pool.query<{ id: string }>({
    name: "portfolios.ids-of-user",
    text: `
      select id from portfolios.portfolios where user_id = $1 and ($2::uuid is null or id = $2)
      order by created_at, id limit $3`,
    values: [userId, portfolioId ?? null, MAX_PORTFOLIOS_AT_ONCE + 1],
  });
  if (rows.length > MAX_PORTFOLIOS_AT_ONCE) {
    throw problem("TOO_MANY_PORTFOLIOS", {
      detail: `One request takes snapshots of at most ${MAX_PORTFOLIOS_AT_ONCE} portfolios; take them one by one.`,
    });
  }
  return rows.map(({ id }) => id);
}

/** The result of each, in their order; a failure is one of them. */
export function takeEach(
  ids: readonly string[],
  { remainingMs, requestId, log }: { remainingMs: () => number; requestId: string; log: Log },
  take: (id: string) => Promise<SnapshotResult>,
): Promise<SnapshotResult[]> {
  return forEach(ids, AT_ONCE, async (id) => {
    try {
      if (remainingMs() < NEEDED_MS) throw problem("DEADLINE_EXCEEDED");
      return await take(id);
    } catch (error) {
      const known = problemOf(error);
      const code = known.code === "INTERNAL_ERROR" ? (databaseProblem(error) ?? known.code) : known.code;
      if (code === "INTERNAL_ERROR") log.error({ requestId, err: error }, "A snapshot could not be taken.");
      return {
        portfolio_id: id,
        success: false,
        error: known.data.detail ?? problemKinds[code].title,
        holdings_count: 0,
        total_value_usd: "0",
      };
    }
  });
}
