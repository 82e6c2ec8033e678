/** Of each call, so much may be spent on trying others once more: at most a fifth more calls than without. */
const EARNED_PER_CALL = 0.2;
/** So that also who calls rarely, or has just started, may try again what a replica held that died. */
const RESERVE = 100;
/** What is not spent is kept up to this; a frozen replica holds the calls of seconds, which all fail at once. */
const MAX_KEPT = 1_000;

/** How many calls of a service may be tried once more, so that one in trouble does not get much more to do. */
export class RepeatBudget {
  #tokens = RESERVE;

  called(): void {
    if (this.#tokens < MAX_KEPT) this.#tokens += EARNED_PER_CALL;
  }

  /** Whether a call may be tried once more; it is spent then. */
  take(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
