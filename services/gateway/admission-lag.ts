const LOOK_INTERVAL_MS = 50;
/** In one look; where there are fewer, it is something else that keeps the process from working. */
const MANY_REQUESTS = 50;
/** A turn of the event loop takes so long when about a thousand sockets have something to say. */
const TARGET_MS = 200;
/** One long turn is a pause of the garbage collector, or a machine that is busy with something else. */
const LOOKS_BEFORE_REFUSING = 2;
/** Of the part of the delay that is too much, what is refused more with each look. */
const GAIN = 0.5;
/** With each look that is in time; so it is over in less than a second. */
const DECAY = 0.06;
/** Some always get through, so that it is seen when it is over. */
const MAX_SHARE = 0.9;

/**
 * How far this process is behind. Requests for which it has no time yet wait in sockets, where nobody counts them; but what
 * is late, timers are too. While they stay late, a growing share of what comes is refused before any work is done for it,
 * and a falling one afterwards: a controller of the delay itself, like PIE (RFC 8033).
 */
export class EventLoopLag {
  #timer: NodeJS.Timeout | undefined;
  #dueAt = 0;
  #lagMs = 0;
  #looksOver = 0;
  #share = 0;
  #account = 0;
  #arrived = 0;

  start(): void {
    this.#dueAt = performance.now() + LOOK_INTERVAL_MS;
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.look(Math.max(0, now - this.#dueAt));
      this.#dueAt = now + LOOK_INTERVAL_MS;
    }, LOOK_INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** @param lagMs by how much this look comes too late. */
  look(lagMs: number): void {
    this.#lagMs = lagMs;
    this.#looksOver = lagMs > TARGET_MS && this.#arrived >= MANY_REQUESTS ? this.#looksOver + 1 : 0;
    this.#arrived = 0;
    if (this.#looksOver >= LOOKS_BEFORE_REFUSING)
      this.#share = Math.min(MAX_SHARE, this.#share + GAIN * (1 - TARGET_MS / lagMs));
    else if (this.#looksOver === 0) this.#share = Math.max(0, this.#share - DECAY);
  }

  get lagMs(): number {
    return this.#lagMs;
  }

  /** The share of requests that is refused just now. */
  get share(): number {
    return this.#share;
  }

  /** A request has come. Whether it is one of them; they are spread evenly. */
  refusesNext(): boolean {
    this.#arrived += 1;
    if (this.#share === 0) return false;
    this.#account += this.#share;
    if (this.#account < 1) return false;
    this.#account -= 1;
    return true;
  }
}
