import { Migration } from "@mikro-orm/migrations";
import type { MigrationList } from "../database/migrate.ts";
import { installJobsSchema } from "./install.ts";
import { jobsSchemaOf } from "./schema-name.ts";

/** What graphile-worker's own schema lacks: who is alive, and indexes for what is asked every few seconds. */
class ReplicasOfJobs extends Migration {
  override async up(): Promise<void> {
    const schema = jobsSchemaOf(this.config.get("schema") as string);
    this.addSql(`
      create table ${schema}.replicas (
        -- What graphile-worker writes into locked_by of the jobs that this replica runs.
        id text primary key,
        seen_at timestamptz not null
      )`);
    this.addSql(
      `create index jobs_locked_idx on ${schema}._private_jobs (locked_by) where locked_by is not null`,
    );
    this.addSql(
      `create index jobs_set_aside_idx on ${schema}._private_jobs (task_id) where attempts >= max_attempts`,
    );
  }
}

/**
 * For the list of migrations of a service with jobs: the schema `<service>_jobs`. The number is that of the last
 * migration of graphile-worker itself; one with more of them comes with an entry more here, so that a replica waits for it.
 */
export const jobsMigrations: MigrationList = [
  { name: "jobs-20", class: ReplicasOfJobs, prepare: installJobsSchema },
];
