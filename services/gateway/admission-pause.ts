import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** So many refusals a second cost little; this many are told at once whatever their number. */
const CHEAP_PER_SECOND = 500;
const LONGEST_MS = 1_000;
const SHORTEST_MS = 50;

/**
 * Keeps refusing cheap. A refusal costs a good part of a reply, so that whoever sends ten times too much could make the
 * process do nothing else. Past a rate, a connection that was just refused is not read for a moment, a second at most,
 * which is what its client was told to wait (Retry-After): what it sends meanwhile waits in its socket and costs nothing.
 * A proxy's connections are read on: what waited in them would be others' requests.
 */
export class RefusalPause {
  readonly #isShared: (socket: Socket) => boolean;
  #count = 0;
  #pauseMs = 0;

  /** @param isShared whether requests of several clients come over a connection. */
  constructor(isShared: (socket: Socket) => boolean = () => false) {
    this.#isShared = isShared;
  }

  /** The present length; 0 while refusing is cheap. */
  get lengthMs(): number {
    return this.#pauseMs;
  }

  /** A request is being refused with this reply. */
  refused(response: ServerResponse): void {
    this.#count += 1;
    const pauseMs = this.#pauseMs;
    if (pauseMs === 0) return;
    const { socket } = response.req;
    if (this.#isShared(socket)) return;
    response.once("finish", () => {
      socket.pause();
      setTimeout(() => socket.resume(), pauseMs).unref();
    });
  }

  /** Looks how it went since the last look; about ten times a second. */
  look(elapsedMs: number): void {
    const perSecond = (this.#count * 1_000) / elapsedMs;
    this.#count = 0;
    if (perSecond > CHEAP_PER_SECOND)
      this.#pauseMs = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, this.#pauseMs * 1.5));
    else if (perSecond < CHEAP_PER_SECOND / 2)
      this.#pauseMs = this.#pauseMs > SHORTEST_MS ? this.#pauseMs * 0.8 : 0;
  }
}
