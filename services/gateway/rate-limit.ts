import { LRUCache } from "lru-cache";
import { MAX_CALLERS_COUNTED, type RequestCount } from "../auth/contract/request-count.ts";
import type { Log } from "../common/service.ts";
import { callersTracked, countsTold } from "./rate-limit-metrics.ts";
import { type Standing, Tally, type Window } from "./tally.ts";

/** How late the other gateways may learn of a request, unless somebody waits. */
const TELL_INTERVAL_MS = 50;
/** After a failure. */
const RETRY_INTERVAL_MS = 1_000;
/**
 * So much of a limit may all gateways together let through without having told: by no more can it be exceeded, and the
 * demand is 2 %. A caller who is faster waits for a moment.
 */
const UNTOLD_SHARE = 0.015;
/** Whoever is forgotten is known again with the next request, by what is stored. */
const CALLERS_MAX = 20_000;

export interface RateLimitOptions {
  /** What its callers are, for the metric. */
  readonly kind: string;
  /** Requests that a caller may make in any window. */
  readonly limit: number;
  readonly windowSeconds: number;
  /** Adds counts to what all gateways have let through, and tells the sums. */
  readonly tell: (counts: Record<string, number>) => Promise<Readonly<Record<string, RequestCount>>>;
  /** How many gateways there are. */
  readonly gateways: () => number;
  readonly log: Log;
}

/**
 * Counts each caller's requests in a sliding window, together with all other gateways: each counts by itself what it lets
 * through, and tells it a moment later to `auth`, which answers with the sums. No request has to ask first, unless its
 * caller is so fast that gateways could get past the limit by not knowing of each other. While nobody can be told, each
 * takes it that the others do as it does: a caller then has its part of the limit here.
 *
 * The window slides: requests of the one before count for the part of it that is still within reach, so that a caller
 * cannot have twice the limit around a window's end.
 */
export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #window: Window;
  readonly #tallies = new LRUCache<string, Tally>({ max: CALLERS_MAX });
  /** Those whose requests have not been told. */
  readonly #untold = new Map<string, Tally>();
  #timer: NodeJS.Timeout | undefined;
  #isTelling = false;
  #isAlone = false;

  constructor(options: RateLimitOptions) {
    this.#options = options;
    const { limit, windowSeconds } = options;
    this.#window = { limit, lengthMs: windowSeconds * 1000, others: 0, allowance: 1 };
    this.#measure();
  }

  /** Counts a request, if it may go on. */
  admit(caller: string): Standing | Promise<Standing> {
    const now = performance.now();
    const tally = this.#tallyOf(caller, now);
    if (tally.isFull(now)) return tally.standing(now, false);
    if (!this.#isAlone && tally.untold >= this.#window.allowance) {
      const told = tally.told();
      this.#keepUntold(caller, tally);
      this.#tellSoon(0);
      return told.then(() => this.admit(caller));
    }
    tally.untold += 1;
    this.#keepUntold(caller, tally);
    this.#tellSoon(this.#isAlone ? RETRY_INTERVAL_MS : tally.isAwaited ? 0 : TELL_INTERVAL_MS);
    return tally.standing(now, true);
  }

  /** Of how many it knows anything. */
  get callers(): number {
    return Math.max(this.#tallies.size, this.#untold.size);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#isTelling = true;
  }

  #tallyOf(caller: string, now: number): Tally {
    const known = this.#tallies.get(caller);
    if (known) return known;
    const tally = this.#untold.get(caller) ?? new Tally(this.#window, now);
    this.#tallies.set(caller, tally);
    callersTracked.labels(this.#options.kind).set(this.#tallies.size);
    return tally;
  }

  #keepUntold(caller: string, tally: Tally): void {
    if (this.#untold.has(caller)) return;
    // Only while nobody can be told.
    if (this.#untold.size >= CALLERS_MAX) this.#untold.delete(this.#untold.keys().next().value as string);
    this.#untold.set(caller, tally);
  }

  #tellSoon(delayMs: number): void {
    if (this.#isTelling) return;
    if (this.#timer !== undefined) {
      if (delayMs > 0) return;
      clearTimeout(this.#timer);
    }
    this.#timer = setTimeout(() => void this.#tell(), delayMs).unref();
  }

  async #tell(): Promise<void> {
    this.#timer = undefined;
    this.#isTelling = true;
    // The requests of a window that is over may have been forgotten untold.
    for (const [caller, { untold }] of this.#untold) if (untold === 0) this.#untold.delete(caller);
    const telling = [...this.#untold].slice(0, MAX_CALLERS_COUNTED);
    const counts = Object.fromEntries(telling.map(([caller, { untold }]) => [caller, untold]));
    try {
      const sums = await this.#options.tell(counts);
      this.#measure();
      const now = performance.now();
      for (const [caller, tally] of telling) {
        tally.settle(now, counts[caller] ?? 0, sums[caller]);
        if (tally.untold === 0) this.#untold.delete(caller);
      }
      this.#reached();
    } catch (error) {
      this.#lost(error as Error);
      for (const tallies of [this.#tallies, this.#untold])
        for (const tally of tallies.values()) tally.release();
    }
    this.#isTelling = false;
    if (this.#untold.size > 0) this.#tellSoon(this.#isAlone ? RETRY_INTERVAL_MS : TELL_INTERVAL_MS);
  }

  #measure(): void {
    const gateways = Math.max(1, this.#options.gateways());
    this.#window.allowance = Math.max(1, Math.floor((this.#options.limit * UNTOLD_SHARE) / gateways));
  }

  #reached(): void {
    countsTold.labels("ok").inc();
    if (this.#isAlone) this.#options.log.info("Rate limits are shared with the other gateways again.");
    this.#isAlone = false;
    this.#window.others = 0;
  }

  #lost({ message }: Error): void {
    countsTold.labels("failed").inc();
    this.#window.others = Math.max(1, this.#options.gateways()) - 1;
    if (!this.#isAlone)
      this.#options.log.warn(`Rate limits are not shared with the other gateways for now: ${message}`);
    this.#isAlone = true;
  }
}
