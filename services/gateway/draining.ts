import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

/** Whose connection brought nothing for so long is not about to use it. */
const QUIET_MS = 200;
/** Clients that go on sending are waited for no longer than this. */
const MAX_WAIT_MS = 1_000;
const LOOK_INTERVAL_MS = 20;

/**
 * The end of a gateway's connections. Who closes a connection on which a request is just coming fails that request; so
 * each reply says first that the connection ends with it, and idle ones are closed only when no more requests come.
 */
export class Draining {
  #heardAt: number | undefined;

  /** Ends when clients have been told, or are silent. */
  async begin(): Promise<void> {
    const startedAt = performance.now();
    this.#heardAt = startedAt;
    while (performance.now() - this.#heardAt < QUIET_MS) {
      if (performance.now() - startedAt > MAX_WAIT_MS) return;
      await delay(LOOK_INTERVAL_MS);
    }
  }

  /** A request has come. */
  heard(response: ServerResponse): void {
    if (this.#heardAt === undefined) return;
    this.#heardAt = performance.now();
    response.setHeader("Connection", "close");
  }
}
