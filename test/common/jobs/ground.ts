import { randomBytes } from "node:crypto";
import type pg from "pg";
import { migrate } from "../../../services/common/database/migrate.ts";
import { inTransaction } from "../../../services/common/database/transaction.ts";
import { jobsMigrations } from "../../../services/common/jobs/migrations.ts";
import { type JobOptions, type Jobs, type JobsOptions, openJobs } from "../../../services/common/jobs.ts";
import { type PoolChanges, startPoolGround, type TestPool } from "../database/pools.ts";

export interface TestReplica extends TestPool {
  readonly jobs: Jobs;
  /** What it logged: `warn: …`. */
  readonly lines: string[];
  /** Stores a job in a transaction of its own. */
  add(task: string, payload?: object, options?: JobOptions): Promise<void>;
}

export type ReplicaOptions = Pick<JobsOptions, "tasks"> &
  Partial<JobsOptions> & { pool?: never } & {
    readonly changes?: PoolChanges;
  };

export interface JobsGround {
  readonly service: string;
  readonly url: string;
  /** A replica that does not take jobs yet. */
  openReplica(options: ReplicaOptions): Promise<TestReplica>;
  beginReplica(options: ReplicaOptions): Promise<TestReplica>;
  query<Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** The jobs in the database. */
  rows(): Promise<JobRow[]>;
  /** Ends all replicas and forgets the jobs: between tests. */
  reset(): Promise<void>;
  /** To the others it looks as if nothing had been seen of these for long. */
  age(replicas?: string): Promise<void>;
  stop(): Promise<void>;
}

export interface JobRow {
  readonly task: string;
  readonly attempts: number;
  readonly key: string | null;
  readonly locked_by: string | null;
  readonly last_error: string | null;
}

/** A service that exists in this test only, with its jobs. */
export async function startJobsGround(): Promise<JobsGround> {
  const ground = await startPoolGround();
  const service = `tester_${randomBytes(4).toString("hex")}`;
  const { url } = ground.database;
  await migrate({ service, url, migrations: jobsMigrations, log: { info: () => undefined } });
  const begun: Jobs[] = [];

  async function openReplica({ changes, ...options }: ReplicaOptions): Promise<TestReplica> {
    const pool = await ground.openPool(changes);
    const lines: string[] = [];
    const level = (name: string) => (message: unknown) => void lines.push(`${name}: ${message}`);
    const log = { info: level("info"), warn: level("warn"), error: level("error") };
    const jobs = openJobs({ service, log, ...options, pool: pool.pool });
    begun.push(jobs);
    return Object.assign(pool, {
      jobs,
      lines,
      add: (task: string, payload = {}, jobOptions: JobOptions = {}) =>
        inTransaction(pool.pool, (query) => jobs.add(query, task, payload, jobOptions)),
    });
  }

  return {
    service,
    url,
    openReplica,
    async beginReplica(options) {
      const replica = await openReplica(options);
      await replica.jobs.begin();
      return replica;
    },
    query: ground.database.query,
    rows: () =>
      ground.database.query<JobRow>(
        `select identifier as task, attempts, key, locked_by, last_error from ${service}_jobs._private_jobs jobs
          join ${service}_jobs._private_tasks tasks on tasks.id = task_id order by jobs.id`,
      ),
    async age(replicas = "%") {
      await ground.database.query(
        `update ${service}_jobs.replicas set seen_at = seen_at - interval '1 minute' where id like $1`,
        [replicas],
      );
    },
    async reset() {
      await Promise.all(begun.splice(0).map((jobs) => jobs.end(0)));
      await ground.database.query(`delete from ${service}_jobs._private_jobs`);
      // One whose connection just hung has not said goodbye.
      await ground.database.query(`delete from ${service}_jobs.replicas`);
    },
    async stop() {
      await ground.stop();
    },
  };
}
