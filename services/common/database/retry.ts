/** unique_violation, serialization_failure, deadlock_detected: a concurrent transaction won; this one may do better. */
const LOST_RACES = new Set(["23505", "40001", "40P01"]);
const MAX_ATTEMPTS = 4;

/**
 * Runs a transaction again when it lost a race against a concurrent one.
 * @param transaction whole and repeatable: it has had no effect when it fails.
 */
export async function retryLostRaces<Result>(transaction: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transaction();
    } catch (error) {
      const { code } = (error ?? {}) as { code?: string };
      if (attempt === MAX_ATTEMPTS || code === undefined || !LOST_RACES.has(code)) throw error;
    }
  }
}
