import { problem } from "../common/problem.ts";
import { EventLoopLag } from "./admission-lag.ts";
import { AdaptiveLimit } from "./admission-limit.ts";
import { refusedRequests } from "./admission-metrics.ts";
import { RefusalPause } from "./admission-pause.ts";

const LOOK_INTERVAL_MS = 100;
/** Of all that may be under way, what one route may hold at most. */
const SHARE_OF_ROUTE = 1 / 2;
/** While so much of the room is free, a caller may have any part of it; then no more than its share. */
const CROWDED = 1 / 2;
/** The share is that of as many callers as there are, but at least and at most of so many. */
const SHARING_MIN = 2;
const SHARING_MAX = 4;

/** One route's entrance. */
export interface Gate {
  readonly method: string;
  readonly path: string;
  readonly limit: AdaptiveLimit;
  /** @throws OVERLOADED when a request of this caller would not be let in just now. */
  check(caller: string): void;
  /** Lets it in; `left` must follow. @throws OVERLOADED */
  enter(caller: string): void;
  left(caller: string, tookMs: number): void;
}

export interface Admission {
  readonly gates: readonly Gate[];
  readonly lag: EventLoopLag;
  readonly pause: RefusalPause;
  readonly inFlight: number;
  gate(method: string, path: string): Gate;
  /** Whether a request is to be refused before anything is done for it. */
  refusesAtDoor(): boolean;
  start(): void;
  stop(): void;
}

/** Why requests are refused, for the metric. */
export type RefusalReason = "total" | "route" | "caller" | "event_loop" | "connection";

/**
 * How many requests are let in. Each route has a limit that follows how many it gets done (`admission-limit.ts`), so that
 * one that is slow takes no room from others; none has more than half of all; and where it gets crowded, callers have equal
 * shares of a route and of all, a quarter where there are many. Nothing waits here: within its limit, a request waits where the work is done, which
 * the limit keeps short; past it, it is refused at once, which costs little (`admission-pause.ts`).
 */
export function admission(maxConcurrentRequests: number): Admission {
  const gates: Gate[] = [];
  const lag = new EventLoopLag();
  const pause = new RefusalPause();
  const all = new Callers();
  let lookedAt = performance.now();
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    const now = performance.now();
    const elapsedMs = Math.max(1, now - lookedAt);
    lookedAt = now;
    for (const { limit } of gates) limit.look(elapsedMs);
    pause.look(elapsedMs);
  }

  return {
    gates,
    lag,
    pause,
    get inFlight() {
      return all.total;
    },
    gate(method, path) {
      const gate = gateOf({ method, path }, maxConcurrentRequests, all);
      gates.push(gate);
      return gate;
    },
    refusesAtDoor() {
      if (!lag.refusesNext()) return false;
      refusedRequests.labels("event_loop").inc();
      return true;
    },
    start() {
      lookedAt = performance.now();
      timer = setInterval(look, LOOK_INTERVAL_MS).unref();
      lag.start();
    },
    stop() {
      clearInterval(timer);
      lag.stop();
    },
  };
}

function gateOf(route: Pick<Gate, "method" | "path">, max: number, all: Callers): Gate {
  const limit = new AdaptiveLimit(max * SHARE_OF_ROUTE);
  const here = new Callers();

  function check(caller: string): void {
    const room = limit.limit;
    if (all.total >= max) refuse("total");
    if (here.total >= room) refuse("route");
    if (here.total >= room * CROWDED && here.of(caller) >= here.shareOf(caller, room)) refuse("caller");
    if (all.total >= max * CROWDED && all.of(caller) >= all.shareOf(caller, max)) refuse("caller");
  }

  return {
    ...route,
    limit,
    check,
    enter(caller) {
      check(caller);
      limit.began();
      here.add(caller);
      all.add(caller);
    },
    left(caller, tookMs) {
      limit.ended(tookMs);
      here.remove(caller);
      all.remove(caller);
    },
  };
}

/** How many requests are under way, in total and of each caller. */
class Callers {
  readonly #counts = new Map<string, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  of(caller: string): number {
    return this.#counts.get(caller) ?? 0;
  }

  /** Of so much room, when it gets crowded. */
  shareOf(caller: string, room: number): number {
    const callers = this.#counts.size + (this.#counts.has(caller) ? 0 : 1);
    return room / Math.min(SHARING_MAX, Math.max(SHARING_MIN, callers));
  }

  add(caller: string): void {
    this.#total += 1;
    this.#counts.set(caller, this.of(caller) + 1);
  }

  remove(caller: string): void {
    this.#total -= 1;
    const left = this.of(caller) - 1;
    if (left > 0) this.#counts.set(caller, left);
    else this.#counts.delete(caller);
  }
}

function refuse(reason: RefusalReason): never {
  refusedRequests.labels(reason).inc();
  throw overloaded;
}

const overloaded = problem("OVERLOADED");
// One for all, without a trace: what is refused cheaply must not cost a trace each time.
overloaded.stack = `${overloaded.name}: ${overloaded.message}`;
