import assert from "node:assert/strict";
import { ConfigurationError } from "./config.ts";
import type { ConnectionPool } from "./database/pool.ts";
import type { Query } from "./database/transaction.ts";
import { jobMetrics } from "./jobs/job-metrics.ts";
import { Replica } from "./jobs/replica.ts";
import { jobsSchemaOf } from "./jobs/schema-name.ts";
import type { Log, OpenService } from "./service.ts";
import { withTrace } from "./tracing/traced-jobs.ts";

/** What a task is told beside its payload. */
export interface TaskContext {
  /** From 1. */
  readonly attempt: number;
  /**
   * Aborted when the task is to stop: the process ends, or this replica was away for so long (15 s without a
   * confirmed heartbeat, by its monotonic clock) that another may have taken the job over. Reading `aborted` or calling
   * `throwIfAborted()` asks the clock, so a task that comes back from a freeze and looks before its next step is told
   * even if no timer ran yet; `abort` events come within a second. A machine that stood still together with its clock is
   * told by the next heartbeat, within 3 s. Certain is only what the database decides: whether the job is done is up to
   * who holds it there, and a replica that has lost it cannot end it. A task whose own writes must not happen twice
   * fences them itself.
   */
  readonly signal: AbortSignal;
  readonly jobId: string;
  /** The moment of the schedule that it stands for, ISO 8601 in UTC; only for jobs that a schedule made. */
  readonly scheduledFor?: string;
}

/** Does a job. It has failed when it throws, and is then attempted again: it must stand being begun more than once. */
export type Task = (payload: unknown, context: TaskContext) => Promise<void>;

export interface Schedule {
  readonly task: string;
  /** Five fields, UTC; `cronSchedule` reads them from a setting. */
  readonly cron: string;
  /** How far back each missed time is caught up with. Times before the task was first known are not. */
  readonly catchUpSeconds: number;
  readonly payload?: object;
}

export interface JobOptions {
  /** Of several jobs with one key only one waits. */
  readonly key?: string;
  /**
   * What becomes of the one that waits: it is replaced (the default), replaced but keeps its time, or, with
   * `unsafe_dedupe`, left as it is, even when it is running already. A running one is never replaced: another is added.
   */
  readonly keyMode?: "replace" | "preserve_run_at" | "unsafe_dedupe";
  /**
   * Jobs of one queue run one at a time, over all replicas. Take it from a small fixed set (not an id of something):
   * each look for a job passes over all queues.
   */
  readonly queue?: string;
  readonly runAt?: Date;
  /** 25 unless given: with the backoff of exp(attempt) seconds, at most 6 hours, over some days. */
  readonly maxAttempts?: number;
  /** Lower comes first; 0 unless given. */
  readonly priority?: number;
}

/** A service's jobs: stored in its database, run by whichever of its replicas is free. */
export interface Jobs {
  /** Stores a job in the caller's transaction: it runs after the commit, and never when there is none. */
  readonly add: (query: Query, task: string, payload: object, options?: JobOptions) => Promise<void>;
  /** Resolves when this replica takes jobs. @throws when their schema is missing. */
  readonly begin: () => Promise<void>;
  /**
   * Takes nothing new and waits for what runs. After the limit, that is told to stop; what has not ended a second later
   * is left to other replicas as if it had not been taken.
   */
  readonly end: (limitMs?: number) => Promise<void>;
  readonly metrics: NonNullable<OpenService["metrics"]>;
}

export interface JobsOptions {
  readonly service: string;
  readonly pool: ConnectionPool;
  readonly log: Log;
  readonly tasks: Readonly<Record<string, Task>>;
  readonly schedules?: readonly Schedule[];
  /** How many jobs this replica runs at once; 4 unless given. */
  readonly concurrency?: number;
}

/** Of the pool's connections, one stays with the jobs. */
const MIN_CONNECTIONS = 2;
const DEFAULT_CONCURRENCY = 4;
/** Unless the process's stop says how long. */
const DEFAULT_END_LIMIT_MS = 10_000;

/**
 * A service's jobs, on graphile-worker, in the schema `<service>_jobs` (`jobsMigrations`) of its own database and on its
 * own pool: one of its connections stays borrowed, the others are borrowed per statement. A job runs at least once; of
 * a replica that is not seen for 20 s, by the database's clock, the others take the jobs over, within 30 s.
 * @throws {ConfigurationError} when the pool is too small.
 */
export function openJobs(options: JobsOptions): Jobs {
  const { service, pool, log, tasks, schedules = [], concurrency = DEFAULT_CONCURRENCY } = options;
  if (pool.maxConnections < MIN_CONNECTIONS) {
    throw new ConfigurationError(
      `DB_MAX_CONNECTIONS (${pool.maxConnections}) must be at least ${MIN_CONNECTIONS} for ${service}: one stays with its jobs.`,
    );
  }
  for (const { task } of schedules)
    assert(Object.hasOwn(tasks, task), `There is no task ${task} to schedule.`);
  const schema = jobsSchemaOf(service);
  const metrics = jobMetrics(service, Object.keys(tasks));
  const replica = new Replica({ schema, pool, tasks, schedules, concurrency, metrics, log });
  return {
    async add(query, task, payload, jobOptions = {}) {
      assert(Object.hasOwn(tasks, task), `There is no task ${task} to add a job of.`);
      await query(addStatement(schema, task, payload, jobOptions));
    },
    begin: () => replica.begin(),
    end: (limitMs = DEFAULT_END_LIMIT_MS) => replica.end(limitMs),
    // They are read from the database beside the heartbeats.
    metrics: { metrics: metrics.metrics, collect: () => undefined },
  };
}

function addStatement(schema: string, task: string, payload: object, options: JobOptions) {
  const { key, keyMode, queue, runAt, maxAttempts, priority } = options;
  return {
    name: `${schema}.add_job`,
    text: `select id from ${schema}.add_job($1, payload => $2::json, queue_name => $3, run_at => $4::timestamptz,
      max_attempts => $5::int, job_key => $6, job_key_mode => $7, priority => $8::int)`,
    values: [
      task,
      JSON.stringify(withTrace(payload)),
      queue ?? null,
      runAt?.toISOString() ?? null,
      maxAttempts ?? null,
      key ?? null,
      keyMode ?? "replace",
      priority ?? null,
    ],
  };
}
