/** So often in the shorter of its times, */
const UPKEEPS_PER_TIMEOUT = 20;
/** and never less often than this. */
const MAX_INTERVAL_MS = 500;

/** How often a pool's idle times, lifetimes and minimum are looked after. */
export function upkeepIntervalMs(times: {
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
}): number {
  return Math.min(Math.min(times.idleTimeoutMs, times.maxLifetimeMs) / UPKEEPS_PER_TIMEOUT, MAX_INTERVAL_MS);
}
