import { LOCK_NOT_AVAILABLE, sqlStateOf } from "./sql-states.ts";

/**
 * Whoever waits for a lock on a table keeps all waiting who come after it, readers too: so a migration waits for a moment
 * only, lets them through, and comes again.
 */
export const LOCK_TIMEOUT_MS = 2_000;
const MAX_ATTEMPTS = 8;
const MIN_PAUSE_MS = 500;
const MAX_PAUSE_MS = 3_000;

/**
 * Runs a transaction again while others hold locks that it needs.
 * @param transaction has had no effect when it fails; its waits for locks are limited to `LOCK_TIMEOUT_MS`.
 * @throws with what to do, when they have held them at each attempt.
 */
export async function untilUnlocked<Result>(
  service: string,
  log: { info(message: string): void },
  transaction: () => Promise<Result>,
  maxAttempts = MAX_ATTEMPTS,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transaction();
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      if (attempt === maxAttempts) throw heldByOthers(service, maxAttempts, error);
      log.info(
        `Others hold locks that the migrations need; attempt ${attempt} of ${maxAttempts} is given up`,
      );
      await pause(MIN_PAUSE_MS + Math.random() * (MAX_PAUSE_MS - MIN_PAUSE_MS));
    }
  }
}

/** Whether a wait for a lock took as long as it may. */
export function isLockTimeout(error: unknown): boolean {
  return sqlStateOf(error) === LOCK_NOT_AVAILABLE;
}

function heldByOthers(service: string, attempts: number, cause: unknown): Error {
  return new Error(
    `others held locks on tables of ${service} for longer than ${LOCK_TIMEOUT_MS} ms at each of ${attempts} attempts. ` +
      "Nothing was changed. End what holds them, or wait until it has ended, and run the migrations again; to find it: " +
      "select pid, application_name, state, xact_start from pg_stat_activity where xact_start is not null order by xact_start",
    { cause },
  );
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
