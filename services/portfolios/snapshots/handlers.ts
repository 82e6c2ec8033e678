import type { accounts } from "../../accounts/contract.ts";
import type { Contract } from "../../common/contract.ts";
import type { ConnectionPool } from "../../common/database/pool.ts";
import type { Once } from "../../common/idempotency.ts";
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

/** What taking a snapshot needs of its request. */
interface TakeContext {
  readonly call: ValuationCall;
  readonly once: Once;
}

type SnapshotHandlers = Handlers<
  Contract<"portfolios", typeof snapshotActions>,
  typeof accounts | typeof market
>;

/** What the actions on snapshots do. */
export function snapshotHandlers({ pool, log, snapshots, value, keep }: SnapshotParts): SnapshotHandlers {
  const take = taking({ value, keep });

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

    async takeSnapshot({ params: { id, snapshot_type, snapshot_date }, principal, ...context }) {
      return take(context, keyOf(principal, id), snapshot_type, snapshot_date ?? undefined);
    },

    async takeEndOfDaySnapshot({ params: { id, snapshot_date }, principal, ...context }) {
      return take(context, keyOf(principal, id), "eod", snapshot_date ?? undefined);
    },

    async takeAllSnapshots({ params: { snapshot_type, snapshot_date }, principal, call, once, ...request }) {
      const { userId } = principal;
      const day = snapshot_date ?? undefined;
      // A token for one portfolio takes a snapshot of that one: with the same key, too, it is another request.
      const mine = once.of(principal.portfolioId ?? "all");
      return mine(
        async () => {
          checkToday(day, new Date().toISOString());
          return allPortfolios(pool, principal);
        },
        async (ids) => {
          // Each by itself, so that those that were taken before a failure are not taken again.
          const results = await takeEach(ids, { ...request, log }, (id) =>
            take({ call, once: mine.of(id) }, { id, userId }, snapshot_type, day),
          );
          return summaryOf(results);
        },
      );
    },

    async exportSnapshots({ params: { user_id, cursor } }) {
      return snapshots.exportPage(user_id, cursor);
    },
  };
}

/** Values a portfolio and keeps that as a snapshot. @throws PORTFOLIO_NOT_FOUND, SNAPSHOT_DATE_NOT_TODAY */
function taking({ value, keep }: Pick<SnapshotParts, "value" | "keep">) {
  return (
    { call, once }: TakeContext,
    key: PortfolioKey,
    type: SnapshotType,
    day: string | undefined,
  ): Promise<SnapshotResult> =>
    once(async (db) => {
      checkToday(day, new Date().toISOString());
      const valuation = await value(key, call);
      // Midnight may have come meanwhile.
      const snapshot_date = checkToday(day, valuation.as_of);
      const taken = await keep(db, valuation, { snapshot_type: type, snapshot_date, replacing: ALWAYS });
      // Deleted since it was valued.
      if (!taken) throw problem("PORTFOLIO_NOT_FOUND");
      return taken;
    });
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
