/**
 * So long after the last heartbeat that the database confirmed, a replica takes itself for replaced. Shorter than
 * `replicas.ts` says, after which the others do, and counted from before the heartbeat was sent.
 */
const LEASE_MS = 15_000;

/** A replica's right to the jobs that it has taken, renewed by heartbeats; once over, it stays so. */
export class Lease {
  #confirmedAt = performance.now();
  #isRevoked = false;

  /** @param sentAt when the heartbeat was sent, as `performance.now()` gave it. */
  confirm(sentAt: number): void {
    this.#confirmedAt = Math.max(this.#confirmedAt, sentAt);
  }

  revoke(): void {
    this.#isRevoked = true;
  }

  get isOver(): boolean {
    this.#isRevoked ||= performance.now() - this.#confirmedAt > LEASE_MS;
    return this.#isRevoked;
  }

  /**
   * The signal of one job. After a freeze, a task's own answers may come before any timer of ours: so whoever reads the
   * signal asks the clock.
   */
  signal(controller: AbortController): AbortSignal {
    const { signal } = controller;
    const { aborted } = Object.getOwnPropertyDescriptors(AbortSignal.prototype);
    const look = () => {
      if (this.isOver) controller.abort(leaseIsOver());
      return aborted?.get?.call(signal) === true;
    };
    Object.defineProperty(signal, "aborted", { get: look });
    Object.defineProperty(signal, "throwIfAborted", {
      value: () => {
        if (look()) throw signal.reason;
      },
    });
    return signal;
  }
}

export function leaseIsOver(): Error {
  return new Error("This replica was away for too long: another may have taken the job over.");
}
