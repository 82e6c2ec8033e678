/** What a fault is, and the course of one. */
import { nowMs } from "./clock.ts";
import type { Stage } from "./stage.ts";

/** What holds while something is at fault, and afterwards. */
export interface FaultPromise {
  /** No request fails that was sent later than so long after the fault began, or ended. */
  readonly goodAfterMs: number;
  readonly from: "begin" | "end";
  /** What never fails, not even in between. */
  readonly neverFails?: "reads" | "anything";
  /** No failure is told later than so long after its request was sent. */
  readonly toldWithinMs?: number;
  /** Requests may end without a reply: the process that had taken them is gone. */
  readonly mayCut?: boolean;
  /** A request whose client was told that it failed may be done afterwards: it lay in a server that stood still. */
  readonly mayBeDoneLate?: boolean;
  /** Each failure counts as one of a rolling restart. */
  readonly isRolling?: boolean;
}

export interface Fault {
  /** As in `--only`. */
  readonly name: string;
  /** What happens, for the table. */
  readonly title: string;
  /** Of the constant load; all of it unless stated. */
  readonly rateShare?: number;
  readonly promise: FaultPromise;
  /** Lets it happen under the constant load, and mends what the system cannot mend by itself. */
  run(course: Course): Promise<void>;
}

/** The course of one fault. */
export class Course {
  readonly stage: Stage;
  /** Beside each promised time, for a machine that is busy. */
  readonly roomMs: number;
  readonly broken: string[] = [];
  /** Figures of its own, for people. */
  readonly notes: string[] = [];
  lost = 0;
  doubled = 0;
  begunAt = 0;
  endedAt = 0;
  /** From when on failures come at once, and what that is. */
  known: { readonly at: number; readonly withinMs: number } | undefined;

  constructor(stage: Stage, { roomMs }: { readonly roomMs: number }) {
    this.stage = stage;
    this.roomMs = roomMs;
  }

  /** The fault begins now; unless it ends later, it also ends now. */
  begin(): void {
    this.begunAt = nowMs();
    this.endedAt = this.begunAt;
  }

  end(): void {
    this.endedAt = nowMs();
  }

  /** From now on, whoever asks is told at once that it cannot be. */
  knownNow(withinMs: number): void {
    this.known = { at: nowMs(), withinMs };
  }

  /** A promise beside those of the fault was broken. */
  break(what: string): void {
    this.broken.push(what);
  }

  note(text: string): void {
    this.notes.push(text);
  }
}
