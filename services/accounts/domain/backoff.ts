/** After the first attempt that failed, and after each further one so many times as long. */
const FIRST_RETRY_SECONDS = 5;
const RETRY_FACTOR = 6;
/** A provider that wants to be left alone for longer is left alone until the next sync is due. */
const MAX_RETRY_SECONDS = 900;
/** However often an account has failed, it is tried again after so long. */
const MAX_DUE_SECONDS = 6 * 3600;
const MAX_DOUBLINGS = 10;
/** Times are spread over so much more or less of themselves, so that what failed together does not come back together. */
const SPREAD = 0.2;

/**
 * How long to wait before the next attempt; undefined when there should be none soon.
 * @param attempts how many there were, from 1.
 * @param retryAfterSeconds what the provider asked for.
 * @param random from 0 to 1.
 */
export function retryDelaySeconds(
  attempts: number,
  retryAfterSeconds: number | undefined,
  random: number,
): number | undefined {
  const delay = spread(FIRST_RETRY_SECONDS * RETRY_FACTOR ** (attempts - 1), random);
  const asked = Math.max(delay, retryAfterSeconds ?? 0);
  return asked <= MAX_RETRY_SECONDS ? asked : undefined;
}

/**
 * How long after a sync the next one is due: the interval, and twice as long with each failure in a row, up to 6 hours
 * or the interval where that is longer.
 */
export function dueDelaySeconds(intervalSeconds: number, failures: number, random: number): number {
  const doubled = intervalSeconds * 2 ** Math.min(failures, MAX_DOUBLINGS);
  return spread(Math.min(doubled, Math.max(MAX_DUE_SECONDS, intervalSeconds)), random);
}

function spread(seconds: number, random: number): number {
  return seconds * (1 - SPREAD + 2 * SPREAD * random);
}
