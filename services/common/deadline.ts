import { AsyncLocalStorage } from "node:async_hooks";
import { problem } from "./problem.ts";
import { RecentIds } from "./recent-ids.ts";

/** How often it is looked whether some work's time is up. */
const LOOK_INTERVAL_MS = 25;

/**
 * Who did not get to look for so long stood still: was frozen, or may as well have been. Callers take a process for dead
 * that is silent for two seconds (`liveness/discovery.ts`), the last of which may have begun a heartbeat earlier, and
 * answer their own: what it would still write then, nobody knows of.
 */
export const STALL_MS = 1_500;

/** A request may be repeated elsewhere, or be on its way, as long as its client may wait; then it is known to be late. */
const ABANDONED_REMEMBERED_MS = 40_000;
/** And so many are remembered at most, twice over. */
const MAX_ABANDONED_REMEMBERED = 50_000;

export interface WorkLimits {
  /** When its time is up, as `performance.now()` counts. */
  readonly until?: number;
  /** Of the request that it is part of; that one can be abandoned. */
  readonly requestId?: string | undefined;
  /** Done late, it does no harm: it reads, or may be done twice. */
  readonly outlivesStall?: boolean;
  /** The request's id as logs carry it, which its client may have chosen. */
  readonly loggedAs?: string | undefined;
}

/** Something that is done for some work, and is to stop with it. */
export interface Follower {
  givenUp(fault: Error): void;
}

/**
 * What is done for one call. It is given up when its time is up or when nobody waits for it any more; then whatever of
 * it still waits or runs (statements, calls) is told to stop. Once it is over, nothing can happen to it any more.
 */
export class Work {
  readonly until: number;
  readonly requestId: string | undefined;
  readonly outlivesStall: boolean;
  readonly loggedAs: string | undefined;
  #fault: Error | undefined;
  #isOver = false;
  #followers: Follower[] | undefined;
  #controller: AbortController | undefined;

  constructor({
    until = Number.POSITIVE_INFINITY,
    requestId,
    outlivesStall = false,
    loggedAs,
  }: WorkLimits = {}) {
    this.until = until;
    this.requestId = requestId;
    this.outlivesStall = outlivesStall;
    this.loggedAs = loggedAs;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Why it was given up; undefined while it was not. Asked before each step of it. */
  get fault(): Error | undefined {
    noteStall();
    return this.#fault;
  }

  /** What is left of its time, in milliseconds; at least 0. */
  get remainingMs(): number {
    return Math.max(0, this.until - performance.now());
  }

  /** Aborted when it is given up; for what takes one. Made when it is first asked for. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#fault) this.#controller.abort(this.#fault);
    }
    return this.#controller.signal;
  }

  /** It is told, should this be given up; it must leave when there is nothing to stop any more. */
  join(follower: Follower): void {
    // Nearly always it is the only one, and a list of one needs little room.
    if (this.#followers) this.#followers.push(follower);
    else this.#followers = [follower];
  }

  leave(follower: Follower): void {
    const at = this.#followers?.indexOf(follower) ?? -1;
    if (at === -1) return;
    if (this.#followers?.length === 1) this.#followers = undefined;
    else this.#followers?.splice(at, 1);
  }

  giveUp(fault: Error): void {
    if (this.#isOver || this.#fault) return;
    this.#fault = fault;
    for (const follower of [...(this.#followers ?? [])]) follower.givenUp(fault);
    this.#controller?.abort(fault);
  }

  finish(): void {
    this.#isOver = true;
    this.#followers = undefined;
  }

  /** What becomes of a promise, or the rejection as soon as the work is given up; what it stands for may go on. */
  whileWanted<Result>(promise: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const follower = { givenUp: reject };
      this.join(follower);
      promise.then(resolve, reject).finally(() => this.leave(follower));
    });
  }
}

const present = new AsyncLocalStorage<Work | undefined>();
const underWay = new Set<Work>();
const abandoned = new RecentIds(ABANDONED_REMEMBERED_MS, MAX_ABANDONED_REMEMBERED);
let looking: NodeJS.Timeout | undefined;
let lookedAt = 0;

/** The work that the caller is part of; undefined outside of any, and in what an ended one has left behind. */
export function presentWork(): Work | undefined {
  const work = present.getStore();
  return work?.isOver ? undefined : work;
}

/** Runs a function, and all that it begins, as part of some work; or, without one, as part of none. */
export function asPartOf<Result>(work: Work | undefined, run: () => Result): Result {
  return present.run(work, run);
}

/** From now on it is given up when its time is up, and until it is ended; at once, if its request was abandoned before. */
export function begin(work: Work): void {
  noteStall();
  underWay.add(work);
  if (abandoned.has(work.requestId)) work.giveUp(nobodyWaits());
  if (looking) return;
  lookedAt = performance.now();
  looking = setInterval(look, LOOK_INTERVAL_MS).unref();
}

export function end(work: Work): void {
  underWay.delete(work);
  work.finish();
}

/** Gives up what this process does for these requests, and what comes of them later. */
export function abandon(requestIds: ReadonlySet<string>): void {
  for (const id of requestIds) abandoned.add(id);
  for (const work of underWay) {
    if (work.requestId !== undefined && requestIds.has(work.requestId)) work.giveUp(nobodyWaits());
  }
}

/** Nobody reads this, but whoever logs or counts it. */
function nobodyWaits(): Error {
  return problem("REQUEST_ABANDONED");
}

/** Its interval ends once there is nothing to look after: an idle process is left in peace. */
function look(): void {
  if (underWay.size === 0) {
    clearInterval(looking);
    looking = undefined;
    return;
  }
  noteStall();
  const now = performance.now();
  lookedAt = now;
  for (const work of underWay) if (work.until <= now) work.giveUp(problem("DEADLINE_EXCEEDED"));
}

/**
 * Gives up all that writes if the process stood still until now. After that, what waits in sockets may come before any
 * timer, and the next statement of a transaction with it.
 */
function noteStall(): void {
  if (!looking) return;
  const now = performance.now();
  if (now - lookedAt < STALL_MS) return;
  lookedAt = now;
  for (const work of underWay) if (!work.outlivesStall) work.giveUp(problem("SERVICE_UNAVAILABLE"));
}
