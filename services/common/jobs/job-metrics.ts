import type pg from "pg";
import { Counter, Gauge, Histogram } from "prom-client";

const waiting = new Gauge({
  name: "jobs_waiting",
  help: "Jobs that are due and wait for a free replica. Read from the database: the same on each replica, at most 10000.",
  labelNames: ["service", "task"],
  registers: [],
});
const oldest = new Gauge({
  name: "jobs_oldest_waiting_seconds",
  help: "For how long the oldest job that is due has been, in seconds; 0 when none waits. The same on each replica.",
  labelNames: ["service", "task"],
  registers: [],
});
const setAside = new Gauge({
  name: "jobs_set_aside",
  help: "Jobs that failed in all their attempts and stay for somebody to look at. The same on each replica, at most 10000.",
  labelNames: ["service", "task"],
  registers: [],
});
const running = new Gauge({
  name: "jobs_running",
  help: "Jobs that this process runs now.",
  labelNames: ["service", "task"],
  registers: [],
});
const duration = new Histogram({
  name: "jobs_process_duration_seconds",
  help: "How long an attempt of a job took, in seconds. outcome is ok, failed (attempted again), set_aside, returned (the process ended) or lost (another replica has it).",
  labelNames: ["service", "task", "outcome"],
  buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  registers: [],
});
const takenOver = new Counter({
  name: "jobs_replicas_taken_over_total",
  help: "Replicas that were not seen for too long, whose jobs this process freed for others.",
  labelNames: ["service"],
  registers: [],
});

/** What became of one attempt. */
export type Outcome = "ok" | "failed" | "set_aside" | "returned" | "lost";

export interface JobCount {
  readonly task: string;
  readonly waiting: number;
  readonly setAside: number;
  readonly oldestSeconds: number;
}

/** More are not counted, so that the count stays cheap. */
const MAX_COUNTED = 10_000;

/** How many jobs wait or are set aside, by task. */
export function countStatement(schema: string): pg.QueryConfig {
  return {
    name: `${schema}.count`,
    text: `
      select tasks.identifier as task,
        count(*) filter (where is_waiting)::int as waiting,
        count(*) filter (where not is_waiting)::int as "setAside",
        coalesce(extract(epoch from clock_timestamp() - min(run_at) filter (where is_waiting)), 0)::float8 as "oldestSeconds"
      from (
        (select task_id, run_at, true as is_waiting from ${schema}._private_jobs
          where is_available and run_at <= now() order by priority, run_at limit ${MAX_COUNTED})
        union all
        (select task_id, run_at, false from ${schema}._private_jobs
          where attempts >= max_attempts and locked_at is null limit ${MAX_COUNTED})
      ) jobs
      join ${schema}._private_tasks tasks on tasks.id = jobs.task_id
      group by tasks.identifier`,
  };
}

export type JobMetrics = ReturnType<typeof jobMetrics>;

/** The metrics of one service's jobs. */
export function jobMetrics(service: string, tasks: readonly string[]) {
  takenOver.labels(service).inc(0);
  for (const task of tasks) running.labels(service, task).set(0);
  let known = new Set(tasks);
  return {
    metrics: [waiting, oldest, setAside, running, duration, takenOver],
    started: (task: string) => running.labels(service, task).inc(),
    ended(task: string, outcome: Outcome, seconds: number): void {
      running.labels(service, task).dec();
      duration.labels(service, task, outcome).observe(seconds);
    },
    counted(counts: readonly JobCount[]): void {
      // Tasks of other versions come and go; none keeps a number that is not true any more.
      known = new Set([...known, ...counts.map(({ task }) => task)]);
      for (const task of known) {
        const count = counts.find((each) => each.task === task);
        waiting.labels(service, task).set(count?.waiting ?? 0);
        oldest.labels(service, task).set(count?.oldestSeconds ?? 0);
        setAside.labels(service, task).set(count?.setAside ?? 0);
      }
    },
    tookOver: (count: number) => takenOver.labels(service).inc(count),
  };
}
