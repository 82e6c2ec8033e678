import type { OpenLoadPlan } from "./open-load.ts";

interface ScheduledPhase {
  readonly perMs: number;
  readonly fromMs: number;
  /** The number of its first request, and of the one after its last. */
  readonly first: number;
  readonly end: number;
}

/** When requests are due, counted from the first, in milliseconds from the start; nothing is kept of those that wait. */
export class Schedule {
  readonly #patienceMs: number;
  readonly #phases: readonly ScheduledPhase[];
  readonly totalMs: number;
  readonly count: number;
  /** The next one to be sent. */
  #next = 0;
  unsent = 0;

  constructor({ phases, patienceMs }: OpenLoadPlan) {
    this.#patienceMs = patienceMs;
    let fromMs = 0;
    let first = 0;
    this.#phases = phases.map(({ perSecond, seconds }) => {
      const end = first + Math.floor(perSecond * seconds);
      const phase = { perMs: perSecond / 1_000, fromMs, first, end };
      fromMs += seconds * 1_000;
      first = end;
      return phase;
    });
    this.totalMs = fromMs;
    this.count = first;
  }

  /** How many are due before this moment. */
  dueBefore(ms: number): number {
    if (ms >= this.totalMs) return this.count;
    const phase = this.#phases.findLast(({ fromMs }) => fromMs <= ms);
    return phase ? Math.min(phase.end, phase.first + Math.ceil((ms - phase.fromMs) * phase.perMs)) : 0;
  }

  /** When the next one was due, if it was; those that have waited too long are passed over. */
  take(ms: number): number | undefined {
    const expired = this.dueBefore(ms - this.#patienceMs);
    if (this.#next < expired) {
      this.unsent += expired - this.#next;
      this.#next = expired;
    }
    if (this.#next >= this.dueBefore(ms)) return undefined;
    const number = this.#next;
    this.#next += 1;
    const phase = this.#phases.findLast(({ first }) => first <= number) as ScheduledPhase;
    return phase.fromMs + (number - phase.first) / phase.perMs;
  }

  /** All has been sent, or never will be. */
  isOver(ms: number): boolean {
    return ms >= this.totalMs && this.#next >= this.count;
  }
}
