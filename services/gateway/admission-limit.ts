/** A route may always have so many requests under way, however slow it is: so few wait in no long line. */
const MIN_LIMIT = 100;
/** Before anything is known; an idle route comes back to it. More only where it is used. */
const FIRST_LIMIT = 200;
/** How long requests may take on the whole before there are too many of them... */
const TARGET_MS = 400;
/** ...or so many times as long as when there are few, where that is longer. */
const TARGET_RATIO = 2;
/** Fewer than this do not stand in each other's way: so long it takes at best. */
const FEW = 10;
const MAX_BASELINE_MS = 5_000;
/** What is quicker shows at once, what is slower only when it stays so. */
const WEIGHT_OF_QUICKER = 0.2;
const WEIGHT_OF_SLOWER = 0.01;
/** Of the latest look, in the rate at which requests end. */
const WEIGHT_OF_LATEST = 0.3;
/** A stall of less than two seconds is no overload: a process that starts beside this one makes it slow for so long. */
const LOOKS_BEFORE_CUT = 20;
const MAX_CUT = 0.7;
/** Of itself, by which a limit grows with each look; so it is where it began within a second or so. */
const GROWTH = 0.1;

/**
 * How many requests of one route may be under way at once: as many as end within the target. By Little's law (L = λ W) that
 * needs no times of single requests, and shows also when none ends: there are too many when there are more than the rate at
 * which they end times the target. Then the limit falls to that; else it grows, as long as it is used.
 */
export class AdaptiveLimit {
  readonly #ceiling: number;
  readonly #least: number;
  #limit: number;
  #inFlight = 0;
  #inFlightBefore = 0;
  /** The most since the last look. */
  #peak = 0;
  #ended = 0;
  #endedPerMs = 0;
  #baselineMs = 0;
  #looksOver = 0;

  constructor(ceiling: number) {
    this.#ceiling = ceiling;
    this.#least = Math.min(MIN_LIMIT, ceiling);
    this.#limit = Math.min(FIRST_LIMIT, this.#ceiling);
  }

  get limit(): number {
    return this.#limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  began(): void {
    this.#inFlight += 1;
    if (this.#inFlight > this.#peak) this.#peak = this.#inFlight;
  }

  ended(tookMs: number): void {
    this.#inFlight -= 1;
    this.#ended += 1;
    if (this.#inFlight >= FEW) return;
    const difference = Math.min(tookMs, MAX_BASELINE_MS) - this.#baselineMs;
    this.#baselineMs += difference * (difference < 0 ? WEIGHT_OF_QUICKER : WEIGHT_OF_SLOWER);
  }

  /** Looks how it went since the last look; about ten times a second. */
  look(elapsedMs: number): void {
    this.#endedPerMs += (this.#ended / elapsedMs - this.#endedPerMs) * WEIGHT_OF_LATEST;
    this.#ended = 0;
    const isUsed = this.#peak > this.#limit / 2;
    this.#peak = this.#inFlight;
    const inFlight = (this.#inFlight + this.#inFlightBefore) / 2;
    this.#inFlightBefore = this.#inFlight;
    const fits = this.#endedPerMs * Math.max(TARGET_MS, this.#baselineMs * TARGET_RATIO);
    if (inFlight <= Math.max(this.#least, fits)) {
      this.#looksOver = 0;
      const most = isUsed ? this.#ceiling : Math.min(FIRST_LIMIT, this.#ceiling);
      if (this.#limit < most) this.#limit = Math.min(most, this.#limit * (1 + GROWTH));
      return;
    }
    this.#looksOver += 1;
    if (this.#looksOver >= LOOKS_BEFORE_CUT)
      this.#limit = Math.max(this.#least, Math.min(this.#limit, fits), this.#limit * MAX_CUT);
  }
}
