import { randomUUIDv7 } from "node:crypto";
import type { ConnectionPool } from "../../common/database/pool.ts";
import { retryLostRaces } from "../../common/database/retry.ts";
import { inTransaction, type Query } from "../../common/database/transaction.ts";
import type { Jobs, Task } from "../../common/jobs.ts";
import { addSyncJob, afterSeconds } from "./job.ts";

/** What keeps accounts up to date without anybody asking. */
export interface TendTools {
  readonly pool: ConnectionPool;
  readonly jobs: Pick<Jobs, "add">;
  readonly intervalSeconds: number;
  /** Whether accounts are synced when they are due, or only when somebody asks. */
  readonly isScheduled: boolean;
}

const BATCH_SIZE = 100;
/** In one go, which comes each minute; what is left waits for the next. */
const MAX_BATCHES = 50;
/** What is due together is begun over this time. */
const SPREAD_SECONDS = 45;
/** The longest wait for a next attempt is 15 minutes; a sync of which nothing was heard for longer has lost its job. */
const FORGOTTEN_MINUTES = 20;

// Due again after the interval, whatever becomes of this one; as it ends, it says better.
const TAKE_DUE = `
  with due as (
    select id from accounts.accounts
    where is_active and account_type <> 'manual' and sync_due_at <= now()
    order by sync_due_at
    limit ${BATCH_SIZE}
    for no key update skip locked
  )
  update accounts.accounts a set sync_due_at = now() + make_interval(secs => $1::float8 * (0.8 + 0.4 * random()))
  from due where a.id = due.id
  returning a.id`;

const OPEN = `
  insert into accounts.syncs (id, account_id, user_id)
  select due.id, a.id, a.user_id
  from unnest($1::uuid[], $2::uuid[]) as due (id, account_id) join accounts.accounts a on a.id = due.account_id
  order by a.id
  on conflict (account_id) where state in ('queued', 'running') do nothing
  returning id`;

const TAKE_FORGOTTEN = `
  with forgotten as (
    select id from accounts.syncs
    where state in ('queued', 'running') and changed_at < now() - interval '${FORGOTTEN_MINUTES} minutes'
    order by changed_at
    limit ${BATCH_SIZE}
    for update skip locked
  )
  update accounts.syncs s set changed_at = now() from forgotten where s.id = forgotten.id
  returning s.id`;

/**
 * The task that comes each minute: it asks for a sync of each account that is due, and gives syncs whose job was lost a
 * new one. Done by several at once or twice, it has no other effect than once.
 */
export function tendTask(tools: TendTools): Task {
  return async (_, { signal }) => {
    await takingBatches(tools, signal, findForgotten);
    if (tools.isScheduled) await takingBatches(tools, signal, (query) => askForDue(tools, query));
  };
}

/** @returns how many it took. */
type Take = (query: Query, tools: TendTools) => Promise<number>;

async function takingBatches(tools: TendTools, signal: AbortSignal, take: Take): Promise<void> {
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    signal.throwIfAborted();
    const taken = await retryLostRaces(() => inTransaction(tools.pool, (query) => take(query, tools)));
    if (taken < BATCH_SIZE) return;
  }
}

async function askForDue({ jobs, intervalSeconds }: TendTools, query: Query): Promise<number> {
  const take = { name: "accounts.syncs.take-due", text: TAKE_DUE, values: [intervalSeconds] };
  const due = await query<{ id: string }>(take);
  if (due.length === 0) return 0;
  const values = [due.map(() => randomUUIDv7()), due.map(({ id }) => id)];
  const opened = await query<{ id: string }>({ name: "accounts.syncs.open-due", text: OPEN, values });
  for (const { id } of opened) {
    await addSyncJob(jobs, query, id, {
      runAt: afterSeconds(SPREAD_SECONDS * Math.random()),
      isScheduled: true,
    });
  }
  return due.length;
}

async function findForgotten(query: Query, { jobs }: TendTools): Promise<number> {
  const forgotten = await query<{ id: string }>({ name: "accounts.syncs.forgotten", text: TAKE_FORGOTTEN });
  for (const { id } of forgotten) await addSyncJob(jobs, query, id, { keepsTime: true });
  return forgotten.length;
}
