import { LEASE_SECONDS } from "./claim.ts";

/** So often before it ends is a lease renewed. */
const RENEWALS_PER_LEASE = 4;

/** Why a read was given up although the provider was not at fault. */
export type Loss = "lost" | "ended";

/** A read was given up: the account is another's now (*lost*), or this process ends (*ended*). */
export class GivenUp extends Error {
  readonly loss: Loss;
  constructor(loss: Loss) {
    super(loss === "lost" ? "The account is no longer held by this replica." : "This replica stops.");
    this.loss = loss;
  }
}

/** A read took longer than it may. */
export class TimedOut extends Error {}

export interface HoldOptions {
  /** Since when the account is held, as `performance.now()` gave it before the claim. */
  readonly since: number;
  /** False: another holds the account. */
  readonly renew: () => Promise<boolean>;
  /** This process is to stop. */
  readonly signal: AbortSignal;
  readonly timeoutSeconds: number;
  /** For tests. */
  readonly leaseSeconds?: number;
}

/**
 * Does some work while the account is held: the lease is renewed again and again, and the work is told to stop, and not
 * waited for, when it could not be renewed in time, when the work takes too long, or when the process ends. A replica that
 * was frozen finds its lease at an end before anything else.
 * @throws GivenUp, TimedOut, or what the work throws.
 */
export async function whileHeld<Result>(
  { since, renew, signal, timeoutSeconds, leaseSeconds = LEASE_SECONDS }: HoldOptions,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const leaseMs = leaseSeconds * 1000;
  let heldUntil = since + leaseMs;
  const stop = (reason: Error) => controller.abort(reason);
  const end = () => stop(new GivenUp("ended"));

  async function look(): Promise<void> {
    const askedAt = performance.now();
    if (askedAt >= heldUntil) return stop(new GivenUp("lost"));
    try {
      if (await renew()) heldUntil = askedAt + leaseMs;
      else stop(new GivenUp("lost"));
    } catch {
      // The database may answer again before the lease ends.
    }
  }

  const timers = [
    setInterval(() => void look(), leaseMs / RENEWALS_PER_LEASE),
    setTimeout(() => stop(new TimedOut()), timeoutSeconds * 1000),
  ];
  signal.addEventListener("abort", end);
  const stopped = Promise.withResolvers<never>();
  stopped.promise.catch(() => undefined);
  controller.signal.addEventListener("abort", () => stopped.reject(controller.signal.reason));
  try {
    if (signal.aborted) end();
    controller.signal.throwIfAborted();
    return await Promise.race([work(controller.signal), stopped.promise]);
  } finally {
    for (const timer of timers) clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}
