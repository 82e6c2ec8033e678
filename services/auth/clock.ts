import { setTimeout as sleep } from "node:timers/promises";

/** The time, as tests may replace it. */
export interface Clock {
  /** In milliseconds since 1970. */
  now(): number;
  /** @throws when the signal is given first. */
  sleep(durationMs: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: Date.now,
  sleep: (durationMs, signal) => sleep(durationMs, undefined, { signal, ref: false }),
};
