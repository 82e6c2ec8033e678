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
/** So much beside a route's limit, and of all room, is for callers who have less than half of what callers have on average. */
const RESERVE = 1 / 8;
const RESERVE_MIN = 5;
const MODEST = 1 / 2;

/** One route's entrance. */
export interface Gate {
  readonly method: string;
  readonly path: string;
  readonly limit: AdaptiveLimit;
  /** @throws OVERLOADED when a request of this caller would not be let in just now. */
  check(caller: string): void;
  /** Lets it in; `answered` and `left` must follow. @throws OVERLOADED */
  enter(caller: string): void;
  /** What was asked for is there, or cannot be had: so long did that take. */
  answered(tookMs: number): void;
  /** Nothing of it is left here: its room is free. */
  left(caller: string): void;
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
 * shares of a route and of all, a quarter where there are many. A reserve is for those who ask for little: they find a place
 * beside many who ask for much, also while a limit has just been cut and more are under way. Nothing waits here: within its
 * limit, a request waits where the work is done, which the limit keeps short; past it, it is refused at once, which costs
 * little (`admission-pause.ts`).
 */
export function admission(
  maxConcurrentRequests: number,
  isShared?: ConstructorParameters<typeof RefusalPause>[0],
): Admission {
  const gates: Gate[] = [];
  const lag = new EventLoopLag();
  const pause = new RefusalPause(isShared);
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
  const regular = max - reserveOf(max);

  function check(caller: string): void {
    const room = limit.limit;
    if (all.isFullFor(caller, regular, max - regular)) refuse("total");
    if (here.isFullFor(caller, room, reserveOf(room))) refuse("route");
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
      here.add(caller, limit.limit);
      all.add(caller, regular);
    },
    answered: (tookMs) => limit.ended(tookMs),
    left(caller) {
      here.remove(caller);
      all.remove(caller);
    },
  };
}

/** What a caller has under way; *reserved* of it came in when only the reserve had room. */
interface Holding {
  count: number;
  reserved: number;
}

/** How many requests are under way, in total and of each caller. */
class Callers {
  readonly #holdings = new Map<string, Holding>();
  #total = 0;
  #reserved = 0;

  get total(): number {
    return this.#total;
  }

  of(caller: string): number {
    return this.#holdings.get(caller)?.count ?? 0;
  }

  isFullFor(caller: string, room: number, reserve: number): boolean {
    if (!this.#isFull(room)) return false;
    const isModest = this.of(caller) * this.#holdings.size < this.#total * MODEST;
    return !isModest || this.#reserved >= reserve;
  }

  /** Of so much room, when it gets crowded. */
  shareOf(caller: string, room: number): number {
    const callers = this.#holdings.size + (this.#holdings.has(caller) ? 0 : 1);
    return room / Math.min(SHARING_MAX, Math.max(SHARING_MIN, callers));
  }

  add(caller: string, room: number): void {
    const reserved = this.#isFull(room) ? 1 : 0;
    this.#total += 1;
    this.#reserved += reserved;
    const holding = this.#holdings.get(caller);
    if (!holding) this.#holdings.set(caller, { count: 1, reserved });
    else {
      holding.count += 1;
      holding.reserved += reserved;
    }
  }

  remove(caller: string): void {
    const holding = this.#holdings.get(caller);
    if (!holding) return;
    this.#total -= 1;
    holding.count -= 1;
    if (holding.reserved > 0) {
      holding.reserved -= 1;
      this.#reserved -= 1;
    }
    if (holding.count === 0) this.#holdings.delete(caller);
  }

  /** But for the reserve. */
  #isFull(room: number): boolean {
    return this.#total - this.#reserved >= room;
  }
}

function reserveOf(room: number): number {
  return Math.max(RESERVE_MIN, Math.floor(room * RESERVE));
}

function refuse(reason: RefusalReason): never {
  refusedRequests.labels(reason).inc();
  throw overloaded;
}

const overloaded = problem("OVERLOADED");
// One for all, without a trace: what is refused cheaply must not cost a trace each time.
overloaded.stack = `${overloaded.name}: ${overloaded.message}`;
