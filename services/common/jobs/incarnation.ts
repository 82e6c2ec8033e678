import { EventEmitter } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { type JobHelpers, parseCronItems, type Runner, run } from "graphile-worker";
import type { ConnectionPool } from "../database/pool.ts";
import type { Query } from "../database/transaction.ts";
import type { Schedule, Task } from "../jobs.ts";
import type { Log } from "../service.ts";
import { within } from "../within.ts";
import { graphileLogger } from "./graphile-log.ts";
import type { JobMetrics } from "./job-metrics.ts";
import { Lease, leaseIsOver } from "./lease.ts";
import { persistently } from "./persistence.ts";
import { workerPool } from "./pool-adapter.ts";
import { replicaStatements } from "./replicas.ts";
import { runJob, type TakenJob } from "./run-job.ts";
import { type HeldJob, settlements } from "./settle.ts";

export interface IncarnationOptions {
  readonly schema: string;
  readonly pool: ConnectionPool;
  /** Runs statements that must not wait for a connection. */
  readonly query: Query;
  readonly tasks: Readonly<Record<string, Task>>;
  readonly schedules: readonly Schedule[];
  readonly concurrency: number;
  readonly metrics: JobMetrics;
  readonly log: Log;
}

/** How often is looked for jobs that no notification told of: those whose time has come, or that were freed. */
const POLL_INTERVAL_MS = 1_000;
/** What the tasks may take to end after their signal, and then the database for what is left. */
const ABORT_GRACE_MS = 1_000;
const GIVE_BACK_LIMIT_MS = 2_000;

/**
 * A replica under one identity (what is in `locked_by` of the jobs that it has taken): graphile-worker takes jobs, and
 * they are run and settled here. When the identity's lease is over, so is all of it; the replica goes on with a new one.
 */
export class Incarnation {
  readonly lease = new Lease();
  readonly #options: IncarnationOptions;
  readonly #settlements;
  readonly #replicas;
  readonly #listener = new EventEmitter();
  readonly #running = new Map<string, { readonly job: TakenJob; readonly controller: AbortController }>();
  readonly #joined = Promise.withResolvers<void>();
  /** Held by this identity, but not run by it, at the last look. */
  #stray = new Set<string>();
  #id = "";
  #runner: Runner | undefined;
  #isEnding = false;

  constructor(options: IncarnationOptions) {
    this.#options = options;
    // Nobody may be waiting for it when it fails.
    this.#joined.promise.catch(() => undefined);
    this.#settlements = settlements(options.schema);
    this.#replicas = replicaStatements(options.schema);
  }

  /** Joins the living, and begins to take jobs. @throws when the schema is missing. */
  async begin(): Promise<void> {
    const { pool, schema, concurrency, log } = this.#options;
    const events = new EventEmitter();
    events.once("pool:create", ({ workerPool }: { workerPool: { id: string } }) => {
      this.#id = workerPool.id;
    });
    this.#runner = await run({
      schema,
      concurrency,
      events,
      pgPool: workerPool({ pool, listener: this.#listener, isOver: () => this.lease.isOver }),
      pollInterval: POLL_INTERVAL_MS,
      noHandleSignals: true,
      logger: graphileLogger(log),
      taskList: this.#taskList(),
      parsedCronItems: this.#cronItems(),
      preset: { plugins: [this.#plugin()] },
    });
    // It ends by itself only when something is wrong with it: then another begins.
    const ended = () => this.lease.revoke();
    this.#runner.promise.then(ended, ended);
    await this.#join();
    this.#joined.resolve();
  }

  /** There may be jobs: looks for them, as many at once as there is room for. */
  nudge(message?: string): void {
    const payload = message ?? JSON.stringify({ count: this.#options.concurrency });
    this.#listener.emit("notification", { channel: "jobs:insert", payload });
  }

  /** Renews the lease; then, what has been left lying by others and by itself is freed. */
  async beat(): Promise<void> {
    const { query, metrics, log } = this.#options;
    const sentAt = performance.now();
    const [alive] = await query(this.#replicas.beat(this.#id));
    if (!alive) return this.lease.revoke();
    this.lease.confirm(sentAt);
    const [swept] = await query<{ count: number }>(this.#replicas.sweep);
    if (swept) {
      metrics.tookOver(swept.count);
      log.warn(`Jobs of ${swept.count} replicas that were not seen for too long were freed`);
    }
    await this.#freeStrays(await query<HeldJob>(this.#settlements.heldBy(this.#id)));
  }

  /** The lease is over: what runs is told, and nothing more is taken under this identity. */
  abandon(): void {
    this.lease.revoke();
    this.#abort(leaseIsOver());
    this.#joined.reject(leaseIsOver());
    void this.#stopRunner();
  }

  /** Takes nothing new, waits for what runs; what has not ended then is told to, and goes to the others. */
  async end(limitMs: number): Promise<void> {
    this.#isEnding = true;
    const stopped = this.#stopRunner();
    await Promise.race([stopped, pause(limitMs, undefined, { ref: false })]);
    this.#abort(new Error("The process ends."));
    await Promise.race([stopped, pause(ABORT_GRACE_MS, undefined, { ref: false })]);
    await within(GIVE_BACK_LIMIT_MS, this.#leave()).catch(({ message }: Error) =>
      this.#options.log.warn(`Jobs are left to other replicas only when these miss this one: ${message}`),
    );
    this.lease.revoke();
  }

  async #leave(): Promise<void> {
    // What is asked fails for good when the connection is given back.
    const ask = (statement: Parameters<Query>[0]) =>
      persistently(
        () => this.#options.query(statement),
        () => false,
      );
    for (const { job } of this.#running.values()) await ask(this.#settlements.giveBack(job));
    await ask(this.#replicas.leave(this.#id));
  }

  #taskList() {
    const names = Object.keys(this.#options.tasks);
    return Object.fromEntries(
      names.map((name) => [name, (_: unknown, helpers: JobHelpers) => this.#run(name, helpers)]),
    );
  }

  async #run(name: string, { job: row }: JobHelpers): Promise<void> {
    const job: TakenJob = {
      id: String(row.id),
      lockedBy: this.#id,
      lockedAt: String(row.locked_at),
      key: row.key,
      task: name,
      payload: row.payload,
      attempt: row.attempts,
      maxAttempts: row.max_attempts,
    };
    const controller = new AbortController();
    this.#running.set(job.id, { job, controller });
    const task = this.#options.tasks[name] as Task;
    try {
      await runJob(job, {
        ...this.#options,
        lease: this.lease,
        settlements: this.#settlements,
        task,
        controller,
        isEnding: () => this.#isEnding,
      });
    } finally {
      this.#running.delete(job.id);
    }
  }

  #cronItems() {
    return parseCronItems(
      this.#options.schedules.map(({ task, cron, catchUpSeconds, payload }) => ({
        task,
        match: cron,
        options: { backfillPeriod: catchUpSeconds * 1000 },
        ...(payload && { payload: { ...payload } }),
      })),
    );
  }

  /** The schema is `migrate`'s business; and jobs are taken only after the identity has joined the living. */
  #plugin() {
    const { schema } = this.#options;
    return {
      name: "leases",
      version: "1.0.0",
      worker: {
        middleware: {
          bootstrap: () => {
            throw new Error(`The schema ${schema} is missing: run the migrations (npm run migrate).`);
          },
          migrate: () => undefined,
        },
        hooks: { startWorker: () => this.#joined.promise },
      },
    };
  }

  async #join(): Promise<void> {
    const join = async () => {
      const sentAt = performance.now();
      await this.#options.query(this.#replicas.join(this.#id));
      this.lease.confirm(sentAt);
    };
    await persistently(join, () => this.lease.isOver);
  }

  /** A job whose taking was confirmed by nobody, because the answer was lost, is held and not run: at two looks. */
  async #freeStrays(held: readonly HeldJob[]): Promise<void> {
    const stray = held.filter(({ id }) => !this.#running.has(id));
    for (const job of stray) {
      if (this.#stray.has(`${job.id} ${job.lockedAt}`))
        await this.#options.query(this.#settlements.giveBack(job));
    }
    this.#stray = new Set(stray.map(({ id, lockedAt }) => `${id} ${lockedAt}`));
  }

  #abort(reason: Error): void {
    for (const { controller } of this.#running.values()) controller.abort(reason);
  }

  async #stopRunner(): Promise<void> {
    await this.#runner?.stop().catch(() => undefined);
  }
}
