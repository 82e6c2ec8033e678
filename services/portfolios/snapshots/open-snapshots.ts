import assert from "node:assert/strict";
import type { ConnectionPool } from "../../common/database/pool.ts";
import { openJobs, type Schedule } from "../../common/jobs.ts";
import type { Log, OpenService, Outside } from "../../common/service.ts";
import type { PortfoliosConfig } from "../config.ts";
import type { CheckDrift } from "../drift/drift-check.ts";
import type { Value } from "../valuation.ts";
import { snapshotHandlers } from "./handlers.ts";
import { snapshotReads } from "./reads.ts";
import { LATEST_SECONDS, snapshotTasks } from "./scheduled.ts";
import { snapshotKeeper, type TellSnapshot } from "./take.ts";

export interface SnapshotsOptions {
  readonly pool: ConnectionPool;
  readonly config: PortfoliosConfig;
  readonly log: Log;
  readonly value: Value;
  readonly checkDrift: CheckDrift;
  readonly tell: TellSnapshot;
}

/** The part of the service that takes and keeps snapshots. */
export interface Snapshots {
  readonly handlers: ReturnType<typeof snapshotHandlers>;
  readonly begin: (outside: Outside) => Promise<void>;
  readonly end: (limitMs?: number) => Promise<void>;
  readonly metrics: NonNullable<OpenService["metrics"]>;
}

/** Jobs of this replica at once: each values several portfolios, and requests need connections, too. */
const CONCURRENCY = 2;
/** Once a day, when the day's first hour has been taken. */
const PRUNE_CRON = "30 1 * * *";
const DAY_SECONDS = 86_400;

/** Takes snapshots when asked and by schedule, and forgets hourly ones that are too old. */
export function openSnapshots({ pool, config, log, value, checkDrift, tell }: SnapshotsOptions): Snapshots {
  let outside: Outside | undefined;
  const keep = snapshotKeeper(tell);
  const tasks = snapshotTasks({
    pool,
    log,
    value,
    keep,
    checkDrift,
    hourlyDays: config.hourlyDays,
    call: (action, params) => {
      assert(outside, "Jobs run after the service has begun.");
      return outside.call(action, params);
    },
    add: (...job) => jobs.add(...job),
  });
  const jobs = openJobs({
    service: "portfolios",
    pool,
    log,
    tasks,
    schedules: schedulesOf(config),
    concurrency: CONCURRENCY,
  });
  return {
    handlers: snapshotHandlers({ pool, log, snapshots: snapshotReads(pool), value, keep }),
    async begin(ways) {
      outside = ways;
      await jobs.begin();
    },
    end: jobs.end,
    metrics: jobs.metrics,
  };
}

function schedulesOf(config: PortfoliosConfig): Schedule[] {
  const endOfDay = {
    task: "planEndOfDaySnapshots",
    cron: config.endOfDayCron,
    catchUpSeconds: LATEST_SECONDS.eod,
  };
  const hourly = {
    task: "planHourlySnapshots",
    cron: config.hourlyCron,
    catchUpSeconds: LATEST_SECONDS.hourly,
  };
  return [
    ...(config.isEndOfDayEnabled ? [endOfDay] : []),
    ...(config.isHourlyEnabled ? [hourly] : []),
    { task: "pruneSnapshots", cron: PRUNE_CRON, catchUpSeconds: DAY_SECONDS },
  ];
}
