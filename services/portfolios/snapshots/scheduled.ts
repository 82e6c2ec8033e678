import { z } from "zod";
import type { ConnectionPool } from "../../common/database/pool.ts";
import { inTransaction } from "../../common/database/transaction.ts";
import { writingTo } from "../../common/database/writing.ts";
import type { Jobs, Task } from "../../common/jobs.ts";
import { isProblem } from "../../common/problem.ts";
import type { Log } from "../../common/service.ts";
import type { CheckDrift } from "../drift/drift-check.ts";
import type { PortfolioKey } from "../reads.ts";
import type { ValuationCall, Value } from "../valuation.ts";
import { FIRST_ID, nextRanges, pruneHourly, type Range, stillDue } from "./due.ts";
import { forEach } from "./for-each.ts";
import type { KeepSnapshot } from "./take.ts";

type ScheduledType = "hourly" | "eod";

/**
 * How late what was due may still be taken. Values are those of the moment at which a snapshot is taken, and it says so
 * (`snapshot_time`); later than this, they would tell more of the time after the next one than of the one before.
 */
export const LATEST_SECONDS: Readonly<Record<ScheduledType, number>> = { hourly: 3_600, eod: 12 * 3_600 };
/** With the backoff of exp(attempt) seconds, the attempts end by then. */
const MAX_ATTEMPTS: Readonly<Record<ScheduledType, number>> = { hourly: 7, eod: 10 };
/** So many portfolios of a batch are valued at once, beside the requests. */
const AT_ONCE = 4;
/** Snapshots are less urgent than what somebody waits for. */
const PRIORITY = 10;

export interface ScheduledParts {
  readonly pool: ConnectionPool;
  readonly log: Log;
  readonly value: Value;
  readonly keep: KeepSnapshot;
  readonly checkDrift: CheckDrift;
  readonly hourlyDays: number;
  /** Available while jobs run. */
  readonly call: ValuationCall;
  readonly add: Jobs["add"];
}

const Due = z.iso.datetime({ offset: true });
const Plan = z.object({ due: Due.optional(), after: z.guid().default(FIRST_ID) });
const Batch = z.object({ type: z.enum(["hourly", "eod"]), due: Due, after: z.guid(), through: z.guid() });

/**
 * The jobs that take snapshots by schedule. A plan splits all portfolios into batches of one job each, and goes on with
 * a plan of its own where there are many. Each may be begun more than once: what has been taken since it was due is
 * passed over, and is not taken again even by two replicas at once.
 */
export function snapshotTasks(parts: ScheduledParts) {
  const { pool, log, hourlyDays } = parts;
  return {
    planHourlySnapshots: planOf(parts, "hourly", "planHourlySnapshots"),
    planEndOfDaySnapshots: planOf(parts, "eod", "planEndOfDaySnapshots"),

    takeSnapshots: async (payload, { signal }) => {
      const { type, due, ...range } = Batch.parse(payload);
      if (!isTooLate(parts, type, due)) await takeBatch(parts, { type, due, range, signal });
    },

    pruneSnapshots: async (_payload, { signal }) => {
      const deleted = await pruneHourly(pool, hourlyDays, signal);
      if (deleted > 0)
        log.info(`Snapshots pruned: ${deleted} hourly ones were older than ${hourlyDays} days`);
    },
  } satisfies Record<string, Task>;
}

function planOf(parts: ScheduledParts, type: ScheduledType, name: string): Task {
  return async (payload, { scheduledFor }) => {
    const { due = scheduledFor, after } = Plan.parse(payload);
    if (due === undefined) throw new Error("A plan of snapshots must say when they are due.");
    const moment = new Date(due).toISOString();
    if (isTooLate(parts, type, moment)) return;
    const { ranges, mayHaveMore } = await nextRanges(parts.pool, after);
    await inTransaction(parts.pool, async (query) => {
      const options = { maxAttempts: MAX_ATTEMPTS[type], priority: PRIORITY };
      for (const range of ranges) {
        const key = `${type} ${moment} ${range.after}`;
        await parts.add(query, "takeSnapshots", { type, due: moment, ...range }, { ...options, key });
      }
      const last = ranges.at(-1)?.through;
      if (!mayHaveMore || last === undefined) return;
      const rest = { due: moment, after: last };
      await parts.add(query, name, rest, { ...options, key: `${name} ${moment} ${last}` });
    });
  };
}

function isTooLate({ log }: ScheduledParts, type: ScheduledType, due: string): boolean {
  const isLate = Date.now() - Date.parse(due) > LATEST_SECONDS[type] * 1_000;
  if (isLate) log.warn(`Snapshots (${type}) that were due at ${due} are not taken any more: it is too late`);
  return isLate;
}

interface BatchOptions {
  readonly type: ScheduledType;
  readonly due: string;
  readonly range: Range;
  readonly signal: AbortSignal;
}

/** Takes what is still due. One that fails does not keep the others from it; the job is then attempted again. */
async function takeBatch(parts: ScheduledParts, { type, due, range, signal }: BatchOptions): Promise<void> {
  const faults: Error[] = [];
  // Mostly one round; accounts may have been linked to more portfolios since the range was cut.
  for (let { after } = range; ; ) {
    const keys = await stillDue(parts.pool, { ...range, after }, type, due);
    const last = keys.at(-1);
    if (!last) break;
    await forEach(keys, AT_ONCE, async (key) => {
      signal.throwIfAborted();
      await takeOne(parts, key, type, due).catch((error: Error) => faults.push(error));
    });
    after = last.id;
  }
  const [first] = faults;
  if (first) throw new Error(`${faults.length} snapshots could not be taken, one because: ${first.message}`);
}

async function takeOne(
  { pool, value, keep, checkDrift, call, log }: ScheduledParts,
  key: PortfolioKey,
  type: ScheduledType,
  due: string,
): Promise<void> {
  try {
    const valuation = await value(key, call);
    // First, because once there is a snapshot, nobody comes back.
    if (type === "hourly") await checkDrift(valuation);
    await keep(writingTo(pool), valuation, {
      snapshot_type: type,
      snapshot_date: due.slice(0, 10),
      replacing: due,
    });
  } catch (error) {
    if (isProblem(error, "PORTFOLIO_NOT_FOUND")) return;
    if (!isProblem(error, "PORTFOLIO_TOO_LARGE")) throw error;
    // It will not be smaller in a minute.
    log.warn(`Portfolio ${key.id} holds too much for a snapshot`);
  }
}
