import type { RequestCount } from "../auth/contract/request-count.ts";

/** Where a caller stands. */
export interface Standing {
  readonly isAdmitted: boolean;
  /** Requests that are left, and in how many seconds this window ends. */
  readonly remaining: number;
  readonly resetSeconds: number;
  /** When the next request will be let through, in seconds; 0 when this one was. */
  readonly retrySeconds: number;
}

/** What holds for all callers. */
export interface Window {
  readonly limit: number;
  readonly lengthMs: number;
  /** How many other gateways are taken to let through as much as this one, because they cannot be asked. */
  others: number;
  /** So many may be let through before they are told. */
  allowance: number;
}

/** The requests of one caller in a sliding window: those that all gateways told of, and those of this one since then. */
export class Tally {
  readonly #window: Window;
  #startedAt: number;
  #present = 0;
  #previous = 0;
  #waiting: (() => void)[] = [];
  /** Let through here, and not told yet. */
  untold = 0;

  constructor(window: Window, now: number) {
    this.#window = window;
    this.#startedAt = now;
  }

  /** Whether one more is too many. */
  isFull(now: number): boolean {
    this.#slide(now);
    return this.#used(now) + 1 > this.#window.limit;
  }

  standing(now: number, isAdmitted: boolean): Standing {
    const { limit, lengthMs } = this.#window;
    return {
      isAdmitted,
      remaining: Math.max(0, Math.floor(limit - this.#used(now))),
      resetSeconds: Math.ceil((this.#startedAt + lengthMs - now) / 1000),
      retrySeconds: isAdmitted ? 0 : Math.max(1, Math.ceil(this.#untilRoomMs(now) / 1000)),
    };
  }

  /** When what is untold has been told, and this caller's turn has come; also when it could not be. */
  told(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  get isAwaited(): boolean {
    return this.#waiting.length > 0;
  }

  /** @param told how many of those that were untold are in the sums now. */
  settle(now: number, told: number, sum: RequestCount | undefined): void {
    this.untold = Math.max(0, this.untold - told);
    if (sum) {
      this.#present = sum.present;
      this.#previous = sum.previous;
      this.#startedAt = now - sum.elapsed_seconds * 1000;
    }
    // Where it is over, all of them learn it; else as many as may go on, those who came first.
    this.release(this.isFull(now) ? this.#waiting.length : this.#window.allowance);
  }

  release(count = this.#waiting.length): void {
    for (const resolve of this.#waiting.splice(0, count)) resolve();
  }

  #used(now: number): number {
    const { lengthMs, others } = this.#window;
    const share = Math.max(0, 1 - (now - this.#startedAt) / lengthMs);
    return this.#present + this.untold * (1 + others) + this.#previous * share;
  }

  /** Into the window that it is now. */
  #slide(now: number): void {
    const { lengthMs, others } = this.#window;
    const windows = Math.floor((now - this.#startedAt) / lengthMs);
    if (windows <= 0) return;
    this.#startedAt += windows * lengthMs;
    // What nobody could be told of is not carried any further; what is on its way counts as of this window.
    const here = others > 0 ? this.untold * (1 + others) : 0;
    this.#previous = windows === 1 ? this.#present + here : 0;
    this.#present = 0;
    if (others > 0) this.untold = 0;
  }

  #untilRoomMs(now: number): number {
    const { limit, lengthMs, others } = this.#window;
    const present = this.#present + this.untold * (1 + others);
    const elapsedMs = now - this.#startedAt;
    const room = limit - 1 - present;
    if (room >= 0) return Math.max(0, (1 - room / this.#previous) * lengthMs - elapsedMs);
    return lengthMs - elapsedMs + Math.max(0, 1 - (limit - 1) / present) * lengthMs;
  }
}
