import type { ConnectionPool } from "../../common/database/pool.ts";
import type { Events } from "../../common/events.ts";
import { type Jobs, openJobs } from "../../common/jobs.ts";
import type { Log, OpenService, Outside } from "../../common/service.ts";
import type { readAccountsConfig } from "../config.ts";
import type { accounts } from "../contract.ts";
import type { CredentialSeal } from "../seal.ts";
import { SYNC_TASK, TEND_TASK } from "./job.ts";
import { syncMetrics } from "./metrics.ts";
import type { ReadingTools } from "./read-account.ts";
import { readRegistry } from "./registry.ts";
import { syncTask } from "./task.ts";
import { tendTask } from "./tend.ts";

export interface SyncsOptions {
  readonly pool: ConnectionPool;
  readonly seal: CredentialSeal;
  readonly events: Pick<Events<typeof accounts>, "store">;
  readonly log: Log;
  readonly config: ReturnType<typeof readAccountsConfig>;
  readonly connectorFor: ReadingTools["connectorFor"];
}

/** So many accounts does one replica read at once: mostly it waits for providers. */
const CONCURRENCY = 8;
/** What was due while nothing ran is due now: one look makes up for all those that were missed. */
const CATCH_UP_SECONDS = 60;

/** The jobs that read accounts, when somebody asks and when it is time. They run between `begin` and `end`. */
export function openSyncs({ pool, seal, events, log, config, connectorFor }: SyncsOptions) {
  const { syncIntervalSeconds: intervalSeconds, syncTimeoutSeconds: timeoutSeconds } = config;
  let call: Outside["call"] | undefined;
  const registry: ReadingTools["registry"] = async () => {
    if (!call) throw new Error("No other service can be called before the jobs have begun.");
    return readRegistry(call);
  };
  // The tasks add jobs themselves: what they add to is there when they run.
  const added: Pick<Jobs, "add"> = { add: (...job) => jobs.add(...job) };
  const jobs: Jobs = openJobs({
    service: "accounts",
    pool,
    log,
    concurrency: CONCURRENCY,
    tasks: {
      [SYNC_TASK]: syncTask({
        ...{ pool, seal, events, log, connectorFor, registry },
        ...{ jobs: added, intervalSeconds, timeoutSeconds },
      }),
      [TEND_TASK]: tendTask({ pool, jobs: added, intervalSeconds, isScheduled: config.isSyncScheduled }),
    },
    schedules: [{ task: TEND_TASK, cron: "* * * * *", catchUpSeconds: CATCH_UP_SECONDS }],
  });
  const metrics: NonNullable<OpenService["metrics"]> = {
    metrics: [...syncMetrics, ...jobs.metrics.metrics],
    collect: jobs.metrics.collect,
  };
  return {
    jobs,
    metrics,
    async begin(outside: Outside): Promise<void> {
      call = outside.call;
      await jobs.begin();
    },
    end: jobs.end,
  };
}
