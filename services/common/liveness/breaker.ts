import { breakersOpen } from "./metrics.ts";
import type { ActionEndpoint } from "./parts.ts";

/** Failures and successes are counted for so long, from the first failure on. */
const WINDOW_MS = 10_000;
/** So many time-outs, and at least as many as successes, and the action is not called there any more. */
const FAILURES_TO_OPEN = 10;
/** How long it is left alone before one call tries; up to twice that, so that callers do not all try at once. */
const OPEN_MS = 1_000;
/** A try that is not over by then lets another one try. */
const PROBE_MS = 2_500;

/**
 * Keeps calls away from an action of one node that lets them time out, and lets one through from time to time to see. A
 * node that is gone needs none: it is no longer known. Other nodes, and other actions of this one, are not concerned.
 */
export class Breaker {
  readonly #endpoint: ActionEndpoint;
  #state: "closed" | "open" | "half-open" | "probing" = "closed";
  #since = performance.now();
  #failures = 0;
  #successes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(endpoint: ActionEndpoint) {
    this.#endpoint = endpoint;
  }

  /** A call is about to be made; when it is the one that tries, others are kept away until it is over. */
  called(): void {
    if (this.#state !== "half-open") return;
    this.#state = "probing";
    this.#endpoint.state = false;
    this.#after(PROBE_MS, () => this.#halfOpen());
  }

  /** @returns whether there is nothing to remember any more. */
  answered(): boolean {
    if (this.#state === "closed") {
      this.#successes += 1;
      return performance.now() - this.#since > WINDOW_MS;
    }
    // The reply to a call from before it opened says nothing new.
    if (this.#state === "open") return false;
    this.forget();
    this.#endpoint.state = true;
    return true;
  }

  timedOut(): void {
    if (this.#state === "open") return;
    if (this.#state !== "closed") {
      this.#open();
      return;
    }
    if (performance.now() - this.#since > WINDOW_MS) {
      this.#since = performance.now();
      this.#failures = 0;
      this.#successes = 0;
    }
    this.#failures += 1;
    if (this.#failures < FAILURES_TO_OPEN || this.#failures < this.#successes) return;
    breakersOpen.inc();
    this.#open();
  }

  /** It is over: closed, or its node is gone. */
  forget(): void {
    clearTimeout(this.#timer);
    if (this.#state !== "closed") breakersOpen.dec();
    this.#state = "closed";
  }

  #open(): void {
    this.#state = "open";
    this.#endpoint.state = false;
    this.#after(OPEN_MS * (1 + Math.random()), () => this.#halfOpen());
  }

  #halfOpen(): void {
    this.#state = "half-open";
    this.#endpoint.state = true;
  }

  #after(delayMs: number, act: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, delayMs).unref();
  }
}
