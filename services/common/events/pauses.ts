const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;

/** Which hearers are left alone for a while, because they could not be reached; as this replica has found. */
export class Pauses {
  readonly #misses = new Map<string, { readonly count: number; readonly until: number }>();

  isPaused(hearer: string): boolean {
    return (this.#misses.get(hearer)?.until ?? 0) > performance.now();
  }

  /** How long until one of them may be tried again; at most the limit. */
  remainingMs(limitMs: number): number {
    const now = performance.now();
    const pauses = [...this.#misses.values()].map(({ until }) => until - now).filter((left) => left > 0);
    return Math.min(limitMs, ...pauses);
  }

  missed(hearer: string): void {
    if (this.isPaused(hearer)) return;
    const count = (this.#misses.get(hearer)?.count ?? 0) + 1;
    this.#misses.set(hearer, {
      count,
      until: performance.now() + pauseMs(count, FIRST_PAUSE_MS, MAX_PAUSE_MS),
    });
  }

  reached(hearer: string): void {
    this.#misses.delete(hearer);
  }
}

/** How long to wait after so many misses in a row: twice as long each time, up to a limit, and never in step with others. */
export function pauseMs(misses: number, firstMs: number, maxMs: number): number {
  return Math.min(firstMs * 2 ** (misses - 1), maxMs) * (0.5 + Math.random() / 2);
}
