import { LRUCache } from "lru-cache";
import { problem } from "../common/problem.ts";
import { networkOf } from "./client-address.ts";

/** How many questions may fail: so many per second for long, and so many at once after a quiet time. */
interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Of one client address. Far above what clients cause whose tokens end, also where many share a proxy's address. */
const PER_ADDRESS: Rate = { perSecond: 100, burst: 50 };
/** Of all addresses together. */
const IN_TOTAL: Rate = { perSecond: 300, burst: 150 };
/** An address is as good as new when no question of its requests has failed for so long. */
const QUIET_MS = 10_000;
const ADDRESSES_MAX = 10_000;
/** A question that would have to wait for longer is refused. */
const MAX_WAIT_MS = 5_000;

/**
 * Bounds what bad tokens may cost: each is a question to `auth`, and more work there than a good request is that brings
 * a known token. Questions that fail are counted, by client address and in total; an address that has used up its share
 * has to wait for its turn, and when the total is used up, so do all addresses of which any question failed of late. So
 * a flood is slowed down to what it may cost, while a good new token of the same address gets through. Questions that
 * are answered well cost nothing: sign-ins are never held up by their own number, nor by floods from elsewhere. Several
 * gateways have a budget each.
 */
export function questionBudget() {
  const total = new Bucket(IN_TOTAL);
  const addresses = new LRUCache<string, Bucket>({ max: ADDRESSES_MAX, ttl: QUIET_MS, perf: performance });

  return {
    /** Whether a question may be asked for a request from this address. */
    allows(address: string | undefined): boolean {
      const own = addresses.get(networkOf(address));
      return own === undefined || (own.hasRoom() && total.hasRoom());
    },

    /**
     * Waits until a question may be asked for a request from this address, after those that wait already.
     * @throws SERVICE_UNAVAILABLE at once when that would take too long.
     */
    async turn(address: string | undefined): Promise<void> {
      const own = addresses.get(networkOf(address)) ?? new Bucket(PER_ADDRESS);
      const lines = total.hasRoom() ? [own] : [own, total];
      const waitMs = Math.max(...lines.map((line) => line.nextTurnMs()));
      if (waitMs > MAX_WAIT_MS) throw tooManyFailed;
      for (const line of lines) line.reserve();
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    },

    /** A question for a request from this address has failed. */
    failed(address: string | undefined): void {
      const network = networkOf(address);
      const own = addresses.get(network) ?? new Bucket(PER_ADDRESS);
      own.take();
      total.take();
      addresses.set(network, own);
    },
  };
}

const tooManyFailed = problem("SERVICE_UNAVAILABLE", {
  detail:
    "Too many access tokens from this network could not be verified. Try again later; tokens verified of late work.",
});
// One for all, and logged without a trace: what is refused cheaply must not cost a trace and a page of log each time.
tooManyFailed.stack = `${tooManyFailed.name}: too many questions about tokens have failed`;

/**
 * A token bucket, and the line of those who wait for it. What has failed can only be counted afterwards, so its level falls below zero when many questions were
 * under way at once; never so low that the way back takes longer than filling it does.
 */
class Bucket {
  readonly #rate: Rate;
  #level: number;
  #filledAtMs = performance.now();
  /** When the last of those who wait has its turn. */
  #lastTurnAtMs = 0;

  constructor(rate: Rate) {
    this.#rate = rate;
    this.#level = rate.burst;
  }

  hasRoom(): boolean {
    this.#fill();
    return this.#level >= 1 && this.#lastTurnAtMs <= this.#filledAtMs;
  }

  /** How long somebody who joins the line would wait. */
  nextTurnMs(): number {
    const now = performance.now();
    return Math.max(this.#lastTurnAtMs - now, 0) + 1000 / this.#rate.perSecond;
  }

  reserve(): void {
    this.#lastTurnAtMs = performance.now() + this.nextTurnMs();
  }

  take(): void {
    this.#fill();
    this.#level = Math.max(this.#level - 1, -this.#rate.burst);
  }

  #fill(): void {
    const now = performance.now();
    const { perSecond, burst } = this.#rate;
    this.#level = Math.min(this.#level + ((now - this.#filledAtMs) / 1000) * perSecond, burst);
    this.#filledAtMs = now;
  }
}
