import type { Follower, Work } from "../deadline.ts";
import { problem } from "../problem.ts";
import { tracing } from "../tracing.ts";
import type { PooledClient } from "./connection.ts";
import type { PoolMetrics } from "./pool-metrics.ts";

export interface WaitingLineOptions {
  readonly maxConnections: number;
  readonly timeoutMs: number;
  readonly metrics: PoolMetrics;
  /** What those are told whose time is over. */
  readonly timeoutProblem: () => Error;
}

/** More than this many for each connection are refused at once rather than queued. */
const MAX_WAITING_PER_CONNECTION = 50;

interface Waiter extends Follower {
  readonly resolve: (client: PooledClient) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
  readonly since: number;
  readonly work: Work | undefined;
}

const WAITING_SPAN = { name: "wait for a connection", kind: "internal" } as const;

/** Those who wait for a connection: first come, first served, bounded in time and number. */
export class WaitingLine {
  readonly #options: WaitingLineOptions;
  readonly #waiters: Waiter[] = [];

  constructor(options: WaitingLineOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#waiters.length;
  }

  /**
   * @param askedAt since when the caller has been waiting already, as `performance.now()` gave it.
   * @param work what the connection is for; who gives it up leaves the line.
   */
  join(askedAt: number, work?: Work): Promise<PooledClient> {
    const { maxConnections, timeoutMs, metrics } = this.#options;
    if (this.length >= maxConnections * MAX_WAITING_PER_CONNECTION) {
      metrics.refused();
      return Promise.reject(problem("POOL_EXHAUSTED"));
    }
    const waiting = new Promise<PooledClient>((resolve, reject) => {
      const since = performance.now();
      const timer = setTimeout(() => this.#giveUp(waiter), Math.max(1, timeoutMs - (since - askedAt)));
      const givenUp = (fault: Error) => this.#remove(waiter, fault);
      const waiter: Waiter = { resolve, reject, timer, since, work, givenUp };
      work?.join(waiter);
      this.#waiters.push(waiter);
    });
    return tracing ? tracing.below(WAITING_SPAN, () => waiting) : waiting;
  }

  /** Gives a connection to who waits longest. */
  serveNext(lend: (work: Work | undefined) => PooledClient): void {
    const waiter = this.#waiters.shift();
    if (!waiter) return;
    settle(waiter);
    this.#options.metrics.acquired((performance.now() - waiter.since) / 1000);
    waiter.resolve(lend(waiter.work));
  }

  /** Refuses those who came before this moment. */
  refuse(error: Error, before = Number.POSITIVE_INFINITY): void {
    const unserved = this.#waiters.filter(({ since }) => since < before);
    for (const waiter of this.#waiters.splice(0, unserved.length)) {
      settle(waiter);
      waiter.reject(error);
    }
  }

  #giveUp(waiter: Waiter): void {
    this.#options.metrics.timedOut();
    this.#remove(waiter, this.#options.timeoutProblem());
  }

  #remove(waiter: Waiter, fault: Error): void {
    this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
    settle(waiter);
    waiter.reject(fault);
  }
}

function settle(waiter: Waiter): void {
  clearTimeout(waiter.timer);
  waiter.work?.leave(waiter);
}
