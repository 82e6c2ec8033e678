import { STALL_MS } from "../deadline.ts";

/** How often the process notes that it lives. */
const BEAT_MS = 100;

/** Told once per stall, how long it was. */
export type StallListener = (stalledMs: number) => void;

/** Notices that this process itself stood still: frozen (SIGSTOP), starved, or busy with one thing. */
export class Pulse {
  readonly #listeners: StallListener[] = [];
  #beatAt = 0;
  #timer: NodeJS.Timeout | undefined;

  start(): void {
    this.stop();
    this.#beatAt = performance.now();
    this.#timer = setInterval(() => this.check(), BEAT_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  onStall(listener: StallListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Tells the listeners if the process stood still until now. Whoever must not act on what is older than a stall asks
   * first, because after one, what waits in sockets may come before any timer.
   */
  check(): void {
    if (!this.#timer) return;
    const now = performance.now();
    const silenceMs = now - this.#beatAt;
    if (silenceMs < BEAT_MS) return;
    this.#beatAt = now;
    if (silenceMs > STALL_MS) for (const listener of this.#listeners) listener(silenceMs);
  }
}
