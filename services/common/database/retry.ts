import { CONFLICTS, sqlStateOf, UNIQUE_VIOLATION } from "./sql-states.ts";

/** Or a concurrent transaction won; this one may do better. */
const LOST_RACES = new Set([...CONFLICTS, UNIQUE_VIOLATION]);
const MAX_ATTEMPTS = 4;
/** Errors after the last attempt: whoever is around it does not begin again. */
const givenUp = new WeakSet<object>();
/** Of those that stood in each other's way, each waits for a moment of its own. */
const MAX_PAUSE_MS = 10;

/**
 * Runs a transaction again when it lost a race against a concurrent one.
 * @param transaction whole and repeatable: it has had no effect when it fails.
 */
export function retryLostRaces<Result>(transaction: () => Promise<Result>): Promise<Result> {
  return retry(transaction, LOST_RACES);
}

/** The same for a transaction to which a value that is there already says something that it must hear. */
export function retryConflicts<Result>(transaction: () => Promise<Result>): Promise<Result> {
  return retry(transaction, CONFLICTS);
}

async function retry<Result>(
  transaction: () => Promise<Result>,
  codes: ReadonlySet<string>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transaction();
    } catch (error) {
      const code = sqlStateOf(error);
      if (code === undefined || !codes.has(code) || givenUp.has(error as object)) throw error;
      if (attempt === MAX_ATTEMPTS) {
        givenUp.add(error as object);
        throw error;
      }
      if (CONFLICTS.has(code)) await pause(Math.random() * MAX_PAUSE_MS * attempt);
    }
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
