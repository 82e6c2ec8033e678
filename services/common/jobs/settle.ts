import type pg from "pg";

/** A job that this replica has taken. Nobody else holds it as long as these three are in its row. */
export interface HeldJob {
  readonly id: string;
  readonly lockedBy: string;
  /** As PostgreSQL writes it, to the microsecond. */
  readonly lockedAt: string;
  readonly key: string | null;
}

/** The statements that end a job, each for the one who holds it: they answer no row when he does not any more. */
export interface Settlements {
  /** Done: it is gone. */
  complete(job: HeldJob): pg.QueryConfig;
  /** Failed: it waits for its next attempt, `again`, or stays for somebody to look at. */
  fail(job: HeldJob, message: string): pg.QueryConfig;
  /** Not done, through no fault of its own: as if it had not been taken. */
  giveBack(job: HeldJob): pg.QueryConfig;
  /** The jobs that an identity holds. */
  heldBy(lockedBy: string): pg.QueryConfig;
}

const HELD = "id = $1 and locked_by = $2 and locked_at = $3::timestamptz";
/** `add_job` took the key from it for a newer job while it ran: there is no use in another attempt. */
const IS_SUPERSEDED = "($4::text is not null and key is null)";

/** As in graphile-worker's own statements: after exp(attempts) seconds, at most some 6 hours. */
const FAILED = `last_error = $5, updated_at = now(),
  run_at = greatest(now(), run_at) + exp(least(attempts, 10)) * interval '1 second'`;
const GIVEN_BACK = "attempts = greatest(0, attempts - 1)";

export function settlements(schema: string): Settlements {
  const freed = `freed as (
    update ${schema}._private_job_queues queues set locked_by = null, locked_at = null
    from settled where queues.id = settled.job_queue_id and queues.locked_by = $2
  )`;
  const complete = `
    with settled as (delete from ${schema}._private_jobs where ${HELD} returning job_queue_id), ${freed}
    select 1 from settled`;
  const release = (changes: string) => `
    with superseded as (
      delete from ${schema}._private_jobs where ${HELD} and ${IS_SUPERSEDED} returning job_queue_id
    ), released as (
      update ${schema}._private_jobs set ${changes}, locked_by = null, locked_at = null
      where ${HELD} and not ${IS_SUPERSEDED} returning job_queue_id, attempts < max_attempts as again
    ), settled as (
      select job_queue_id, true as again from superseded union all select job_queue_id, again from released
    ), ${freed}
    select again from settled`;
  const texts = { complete, fail: release(FAILED), giveBack: release(GIVEN_BACK) };
  return {
    complete: ({ id, lockedBy, lockedAt }) => ({
      name: `${schema}.complete`,
      text: texts.complete,
      values: [id, lockedBy, lockedAt],
    }),
    fail: ({ id, lockedBy, lockedAt, key }, message) => ({
      name: `${schema}.fail`,
      text: texts.fail,
      values: [id, lockedBy, lockedAt, key, message],
    }),
    giveBack: ({ id, lockedBy, lockedAt, key }) => ({
      name: `${schema}.give_back`,
      text: texts.giveBack,
      values: [id, lockedBy, lockedAt, key],
    }),
    heldBy: (lockedBy) => ({
      name: `${schema}.held_by`,
      text: `select id::text, locked_by as "lockedBy", locked_at::text as "lockedAt", key
        from ${schema}._private_jobs where locked_by = $1`,
      values: [lockedBy],
    }),
  };
}
