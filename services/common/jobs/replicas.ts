import type pg from "pg";

/** Unseen for so long by the database's clock, a replica is taken for dead. Heartbeats come every few seconds. */
const DEAD_AFTER_SECONDS = 20;

/** The statements about who is alive. No replica's clock is in them. */
export interface ReplicaStatements {
  join(id: string): pg.QueryConfig;
  /** Answers no row when the replica was taken for dead. */
  beat(id: string): pg.QueryConfig;
  leave(id: string): pg.QueryConfig;
  /**
   * Forgets the dead and frees the jobs and queues of all who are not among the living; answers how many those were,
   * or no row. An identity joins before it takes jobs: within one statement nobody's jobs are seen without him.
   */
  readonly sweep: pg.QueryConfig;
}

export function replicaStatements(schema: string): ReplicaStatements {
  return {
    join: (id) => ({
      name: `${schema}.join`,
      text: `insert into ${schema}.replicas (id, seen_at) values ($1, clock_timestamp())
        on conflict (id) do update set seen_at = clock_timestamp()`,
      values: [id],
    }),
    beat: (id) => ({
      name: `${schema}.beat`,
      text: `update ${schema}.replicas set seen_at = clock_timestamp() where id = $1 returning id`,
      values: [id],
    }),
    leave: (id) => ({
      name: `${schema}.leave`,
      text: `delete from ${schema}.replicas where id = $1`,
      values: [id],
    }),
    sweep: {
      name: `${schema}.sweep`,
      text: `
        with dead as (
          delete from ${schema}.replicas
          where seen_at < clock_timestamp() - interval '${DEAD_AFTER_SECONDS} seconds' returning id
        ), alive as (
          select id from ${schema}.replicas where id not in (select id from dead)
        ), holders as (
          select locked_by from ${schema}._private_jobs where locked_by is not null
          union
          select locked_by from ${schema}._private_job_queues where locked_by is not null
        ), lost as (
          select array_agg(locked_by) as ids from holders where locked_by not in (select id from alive)
        )
        select cardinality(ids) as count, ${schema}.force_unlock_workers(ids) from lost where ids is not null`,
    },
  };
}
