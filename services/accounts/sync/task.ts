import type { Task, TaskContext } from "../../common/jobs.ts";
import type { Log } from "../../common/service.ts";
import type { ReadHolding } from "../connectors/connector.ts";
import { dueDelaySeconds, retryDelaySeconds } from "../domain/backoff.ts";
import { type Claim, claimAccount, giveBack, LEASE_SECONDS, renewClaim } from "./claim.ts";
import { type Failure, failureBehind, isPassing } from "./failure.ts";
import { GivenUp, whileHeld } from "./hold.ts";
import { addSyncJob, afterSeconds, SyncPayload } from "./job.ts";
import { countAttempt } from "./metrics.ts";
import { providerOf, type ReadingTools, readAccount } from "./read-account.ts";
import { type ResultTools, recordFailure, recordRetry, recordSuccess } from "./results.ts";

/** What runs syncs. */
export interface SyncTools extends ReadingTools, ResultTools {
  readonly log: Log;
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
}

/** A sync is given up after so many attempts; the next one is due later. */
const MAX_SYNC_ATTEMPTS = 3;
/** Behind the end of a lease, so that whoever comes back for it finds it over. */
const BEHIND_LEASE_SECONDS = 0.5;

/**
 * The task that runs one sync. The account's row says who may read it and write what was read, so that it is never read
 * twice at once, whichever replicas run jobs of it; what a provider does wrong is recorded, and no failure of the job.
 */
export function syncTask(tools: SyncTools): Task {
  return async (payload, { signal }) => {
    const { sync_id } = SyncPayload.parse(payload);
    const since = performance.now();
    const dueSeconds = dueDelaySeconds(tools.intervalSeconds, 0, Math.random());
    const outcome = await claimAccount(tools.pool, sync_id, dueSeconds);
    if (outcome === undefined) return;
    if ("claim" in outcome) return run(tools, outcome.claim, since, signal);
    await comeBack(tools, sync_id, outcome.busySeconds);
  };
}

/** Looks again when the lease of whoever has the account is over: either the sync has ended then, or he is dead. */
async function comeBack({ jobs, pool }: SyncTools, syncId: string, seconds: number): Promise<void> {
  const runAt = afterSeconds(seconds + BEHIND_LEASE_SECONDS);
  await addSyncJob(jobs, (statement) => pool.query(statement), syncId, { runAt });
}

async function run(
  tools: SyncTools,
  claim: Claim,
  since: number,
  signal: TaskContext["signal"],
): Promise<void> {
  const provider = providerOf(claim.account);
  const { pool, timeoutSeconds } = tools;
  let holdings: readonly ReadHolding[];
  try {
    const renew = () => renewClaim(pool, claim);
    const options = { since, renew, signal, timeoutSeconds };
    holdings = await whileHeld(options, (stopped) => readAccount(tools, claim, stopped));
  } catch (error) {
    if (error instanceof GivenUp) return giveUp(tools, claim, error);
    const failure = failureBehind(error, provider, tools.log);
    countAttempt(provider, failure.kind, since);
    return fail(tools, claim, failure);
  }
  countAttempt(provider, "ok", since);
  await recordSuccess(tools, claim, holdings);
}

/** @throws GivenUp when this process ends, so that the job goes back to the others. */
async function giveUp(tools: SyncTools, claim: Claim, error: GivenUp): Promise<void> {
  // Lost to another, or with the account, which is deleted: in neither case has anything failed.
  if (error.loss === "lost") return comeBack(tools, claim.syncId, LEASE_SECONDS);
  // Where that fails, the lease ends by itself.
  await giveBack(tools.pool, claim).catch(() => undefined);
  throw error;
}

async function fail(tools: SyncTools, claim: Claim, failure: Failure): Promise<void> {
  const { kind, message, retryAfterSeconds } = failure;
  const { attempts, account } = claim;
  const isLast = attempts >= MAX_SYNC_ATTEMPTS || !isPassing(failure);
  const retry = isLast ? undefined : retryDelaySeconds(attempts, retryAfterSeconds, Math.random());
  if (retry !== undefined) {
    await recordRetry(tools, claim, message, retry);
    return;
  }
  const due = dueDelaySeconds(tools.intervalSeconds, account.sync_failures + 1, Math.random());
  const dueSeconds = Math.max(due, retryAfterSeconds ?? 0);
  const isWritten = await recordFailure(tools, claim, message, dueSeconds);
  if (!isWritten) return;
  tools.log.warn(
    { accountId: account.id, provider: providerOf(account), kind, attempts },
    "An account was not synced.",
  );
}
