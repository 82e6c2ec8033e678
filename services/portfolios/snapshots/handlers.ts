import type { accounts } from "../../accounts/contract.ts";
import type { Contract } from "../../common/contract.ts";
import type { ConnectionPool } from "../../common/database/pool.ts";
import type { Handlers } from "../../common/implement.ts";
import type { Principal } from "../../common/principal.ts";
import { problem } from "../../common/problem.ts";
import type { Log } from "../../common/service.ts";
import type { market } from "../../market/contract.ts";
import type { SnapshotResult, SnapshotType, snapshotActions } from "../contract/snapshots.ts";
import { reachable } from "../portfolio-handlers.ts";
import type { PortfolioKey } from "../reads.ts";
import type { ValuationCall, Value } from "../valuation.ts";
import { allPortfolios, takeEach } from "./all.ts";
import type { SnapshotReads } from "./reads.ts";
import { ALWAYS } from "./store.ts";
import type { KeepSnapshot } from "./take.ts";

export interface SnapshotParts {
  readonly pool: ConnectionPool;
  readonly log: Log;
  readonly snapshots: SnapshotReads;
  readonly value: Value;
  readonly keep: KeepSnapshot;
}

type SnapshotHandlers = Handlers<
  Contract<"portfolios", typeof snapshotActions>,
  typeof accounts | typeof market
>;

/** What the actions on snapshots do. */
export function snapshotHandlers({ pool, log, snapshots, value, keep }: SnapshotParts): SnapshotHandlers {
  async function take(key: PortfolioKey, type: SnapshotType, day: string | undefined, call: ValuationCall) {
    checkToday(day, new Date().toISOString());
    const valuation = await value(key, call);
    // Midnight may have come meanwhile.
    const snapshot_date = checkToday(day, valuation.as_of);
    const taken = await keep(valuation, { snapshot_type: type, snapshot_date, replacing: ALWAYS });
    // Deleted since it was valued.
    if (!taken) throw problem("PORTFOLIO_NOT_FOUND");
    return taken;
  }

  return {
    async listSnapshots({ params: { id, start_date, end_date, snapshot_type, cursor, limit }, principal }) {
      checkOrder(start_date, end_date);
      const page = await snapshots.list({
        portfolio: keyOf(principal, id),
        startDate: start_date,
        endDate: end_date,
        type: snapshot_type,
        cursor,
        limit,
      });
      if (!page) throw problem("PORTFOLIO_NOT_FOUND");
      return { portfolio_id: id, ...page };
    },

    async latestSnapshot({ params: { id }, principal }) {
      const page = await snapshots.list({
        portfolio: keyOf(principal, id),
        startDate: undefined,
        endDate: undefined,
        type: undefined,
        cursor: undefined,
        limit: 1,
      });
      if (!page) throw problem("PORTFOLIO_NOT_FOUND");
      const [latest] = page.snapshots;
      if (!latest) throw problem("SNAPSHOT_NOT_FOUND");
      return latest;
    },

    async takeSnapshot({ params: { id, snapshot_type, snapshot_date }, principal, call }) {
      return take(keyOf(principal, id), snapshot_type, snapshot_date ?? undefined, call);
    },

    async takeEndOfDaySnapshot({ params: { id, snapshot_date }, principal, call }) {
      return take(keyOf(principal, id), "eod", snapshot_date ?? undefined, call);
    },

    async takeAllSnapshots({ params: { snapshot_type, snapshot_date }, principal, call, ...request }) {
      const { userId } = principal;
      const day = snapshot_date ?? undefined;
      checkToday(day, new Date().toISOString());
      const ids = await allPortfolios(pool, principal);
      const results = await takeEach(ids, { ...request, log }, (id) =>
        take({ id, userId }, snapshot_type, day, call),
      );
      return summaryOf(results);
    },

    async exportSnapshots({ params: { user_id, cursor } }) {
      return snapshots.exportPage(user_id, cursor);
    },
  };
}

function keyOf(principal: Principal, id: string): PortfolioKey {
  return { id: reachable(principal, id), userId: principal.userId };
}

/** The day (UTC) of a moment, if that is the one asked for. @throws SNAPSHOT_DATE_NOT_TODAY */
function checkToday(day: string | undefined, moment: string): string {
  const today = moment.slice(0, 10);
  if (day === undefined || day === today) return today;
  throw problem("SNAPSHOT_DATE_NOT_TODAY", {
    detail: `A snapshot is valued now, so its date can only be today, ${today} (UTC).`,
    errors: [{ pointer: "/snapshot_date", detail: `must be ${today}, today in UTC` }],
  });
}

function checkOrder(start: string | undefined, end: string | undefined): void {
  if (start === undefined || end === undefined || start <= end) return;
  throw problem("SNAPSHOT_DATES_REVERSED", {
    detail: "start_date must not be after end_date.",
    errors: [{ pointer: "/start_date", detail: "must not be after end_date" }],
  });
}

function summaryOf(results: SnapshotResult[]) {
  const successful = results.filter(({ success }) => success).length;
  return { total: results.length, successful, failed: results.length - successful, results };
}
