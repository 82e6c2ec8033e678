import type { ConnectionPool } from "../database/pool.ts";
import type { Task } from "../jobs.ts";
import type { Log } from "../service.ts";
import { tracedJob } from "../tracing/traced-jobs.ts";
import type { JobMetrics, Outcome } from "./job-metrics.ts";
import type { Lease } from "./lease.ts";
import { persistently } from "./persistence.ts";
import type { HeldJob, Settlements } from "./settle.ts";

/** A job as graphile-worker has taken it. */
export interface TakenJob extends HeldJob {
  readonly task: string;
  readonly payload: unknown;
  readonly attempt: number;
  readonly maxAttempts: number;
}

export interface RunOptions {
  readonly pool: ConnectionPool;
  readonly lease: Lease;
  readonly settlements: Settlements;
  readonly metrics: JobMetrics;
  readonly log: Log;
  readonly task: Task;
  readonly controller: AbortController;
  /** The process ends: what is not done goes back to the others. */
  readonly isEnding: () => boolean;
}

/** How much of an error's message is logged and kept. */
const MAX_MESSAGE_LENGTH = 500;

/**
 * Runs a job and settles it in the database. That holds for whoever has the job at that moment: when another has
 * taken it over, nothing is changed.
 * @throws what the task threw, or that the job was lost.
 */
export async function runJob(job: TakenJob, options: RunOptions): Promise<void> {
  const { pool, lease, settlements, metrics } = options;
  const startedAt = performance.now();
  metrics.started(job.task);
  let outcome: Outcome = "lost";
  try {
    const fault = await attempt(job, options);
    const isReturned = fault !== undefined && options.controller.signal.aborted && options.isEnding();
    let statement = settlements.complete(job);
    if (fault) statement = isReturned ? settlements.giveBack(job) : settlements.fail(job, messageOf(fault));
    let tries = 0;
    const settle = () => {
      tries += 1;
      return pool.query<{ again?: boolean }>(statement);
    };
    const [row] = await persistently(settle, () => lease.isOver);
    // Of a try whose answer was lost with its connection, the next finds the work done.
    const isSettled = row !== undefined || tries > 1;
    if (isSettled) outcome = fault ? outcomeOf(isReturned, row?.again ?? true) : "ok";
    tell(job, outcome, fault, options.log);
    if (fault) throw fault;
    if (!isSettled) throw new Error("The job was lost to another replica.");
  } finally {
    metrics.ended(job.task, outcome, (performance.now() - startedAt) / 1000);
  }
}

async function attempt(job: TakenJob, { task, lease, controller }: RunOptions): Promise<Error | undefined> {
  const { scheduledFor, traceparent, payload } = scheduleOf(job.payload);
  try {
    const context = {
      attempt: job.attempt,
      signal: lease.signal(controller),
      jobId: job.id,
      ...(scheduledFor !== undefined && { scheduledFor }),
    };
    await tracedJob(job.task, traceparent, () => task(payload, context));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** A schedule's jobs carry their time in the payload, and those that are traced their trace: out of it. */
function scheduleOf(payload: unknown): { scheduledFor?: string; traceparent?: string; payload: unknown } {
  const { _cron, _traceparent, ...own } = (payload ?? {}) as {
    _cron?: { ts: string };
    _traceparent?: string;
  };
  if (!_cron && _traceparent === undefined) return { payload };
  return {
    payload: own,
    ...(_cron && { scheduledFor: _cron.ts }),
    ...(_traceparent !== undefined && { traceparent: _traceparent }),
  };
}

function outcomeOf(isReturned: boolean, again: boolean): Outcome {
  if (isReturned) return "returned";
  return again ? "failed" : "set_aside";
}

/** One line for each attempt that came to nothing; never the payload. */
function tell(job: TakenJob, outcome: Outcome, fault: Error | undefined, log: Log): void {
  const what = `Job ${job.id} (${job.task}), attempt ${job.attempt} of ${job.maxAttempts}`;
  if (outcome === "failed" && fault) log.warn(`${what}, failed: ${messageOf(fault)}`);
  if (outcome === "set_aside" && fault) log.error(`${what}, failed and is set aside: ${messageOf(fault)}`);
  if (outcome === "returned") log.info(`${what}, is left to other replicas`);
  if (outcome === "lost")
    log.warn(`${what}, was lost to another replica${fault ? `: ${messageOf(fault)}` : ""}`);
}

function messageOf({ name, message }: Error): string {
  return (message || name).replaceAll(/\s+/g, " ").slice(0, MAX_MESSAGE_LENGTH);
}
