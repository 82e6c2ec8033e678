/** What came of a fault, held against what is promised. */
import { percentile } from "../bench/statistics.ts";
import type { Course, Fault } from "./fault.ts";
import type { Audit } from "./load/audit.ts";
import type { Sample, Window } from "./load/sample.ts";

/** A fault's line in the table. */
export interface Outcome {
  readonly name: string;
  readonly title: string;
  readonly sent: number;
  readonly failed: number;
  /** Failed, though sent when all should have been well again. */
  readonly late: number;
  /** From the moment that the promise counts from until the last request was sent that failed. */
  readonly recoveredMs: number;
  /** The longest that anyone waited to be told of a failure. */
  readonly slowestFailureMs: number;
  readonly okP99Ms: number;
  readonly lost: number;
  readonly doubled: number;
  readonly rollingFailed: number;
  readonly isUnrecovered: boolean;
  readonly broken: readonly string[];
  readonly notes: readonly string[];
}

/** Of the refusals that come at once, so many per cent do; the rest is the machine's. */
const AT_ONCE_PERCENT = 95;
const SHOWN_MAX = 5;

export function judge(fault: Fault, course: Course, window: Window, audit: Audit, whole: string[]): Outcome {
  const { promise, name, title } = fault;
  const { failures } = window;
  const reference = promise.from === "begin" ? course.begunAt : course.endedAt;
  const goodAt = reference + promise.goodAfterMs + course.roomMs;
  const late = failures.filter(({ sentAt }) => sentAt > goodAt);
  const times = failures.map(({ tookMs }) => tookMs);
  const slowest = Math.max(0, ...times);
  const doneLate = shown("done after their clients were told that they failed", audit.late);
  const broken = [
    ...lateFault(late, promise.goodAfterMs, reference),
    ...neverFault(fault, failures),
    ...answerFaults(fault, failures),
    ...toldFaults(fault, course, failures, slowest),
    ...shown("lost", audit.lost),
    ...shown("done twice", audit.doubled),
    ...(promise.mayBeDoneLate ? [] : doneLate),
    ...whole,
    ...course.broken,
  ];
  return {
    name,
    title,
    sent: window.sent,
    failed: window.failed,
    late: late.length,
    recoveredMs: Math.max(0, ...failures.map(({ sentAt }) => sentAt - reference)),
    slowestFailureMs: slowest,
    okP99Ms: window.okMs.p99,
    lost: audit.lost.length + course.lost,
    doubled: audit.doubled.length + course.doubled,
    rollingFailed: promise.isRolling ? window.failed : 0,
    isUnrecovered: late.length > 0 || whole.length > 0,
    broken,
    notes: promise.mayBeDoneLate ? [...course.notes, ...doneLate] : course.notes,
  };
}

function lateFault(late: readonly Sample[], goodAfterMs: number, reference: number): string[] {
  if (late.length === 0) return [];
  const what = `${late.length} failed that were sent more than ${goodAfterMs} ms after it`;
  return [`${what}: ${examples(late, reference)}`];
}

function neverFault({ promise }: Fault, failures: readonly Sample[]): string[] {
  const { neverFails } = promise;
  if (neverFails === undefined) return [];
  const wrong = neverFails === "anything" ? failures : failures.filter(({ kind }) => kind === "read");
  if (wrong.length === 0) return [];
  const what = neverFails === "anything" ? "requests" : "reads";
  return [`${wrong.length} ${what} failed, and none may: ${examples(wrong, wrong[0]?.sentAt ?? 0)}`];
}

/** Failures must be told as 503 with Retry-After; and what is told as a success must be right. */
function answerFaults({ promise }: Fault, failures: readonly Sample[]): string[] {
  const odd = failures.filter(({ status, hasRetryAfter }) => {
    if (status === 0) return !promise.mayCut;
    // The repeat of a request that is still under way somewhere is told so.
    return !((status === 503 || status === 409) && hasRetryAfter);
  });
  if (odd.length === 0) return [];
  return [
    `${odd.length} were answered otherwise than 503 with Retry-After: ${examples(odd, odd[0]?.sentAt ?? 0)}`,
  ];
}

function toldFaults(
  { promise }: Fault,
  { known, endedAt, roomMs }: Course,
  failures: readonly Sample[],
  slowest: number,
): string[] {
  const faults: string[] = [];
  const { toldWithinMs } = promise;
  if (toldWithinMs !== undefined && slowest > toldWithinMs + roomMs) {
    faults.push(
      `a failure was told after ${Math.round(slowest)} ms, and ${toldWithinMs} ms is the most: ${examples(
        failures.filter(({ tookMs }) => tookMs > toldWithinMs + roomMs),
        endedAt,
      )}`,
    );
  }
  if (known) {
    const times = failures
      .filter(({ sentAt }) => sentAt > known.at && sentAt < endedAt)
      .map(({ tookMs }) => tookMs)
      .sort((one, other) => one - other);
    const atOnce = percentile(times, AT_ONCE_PERCENT);
    if (atOnce > known.withinMs + roomMs) {
      faults.push(
        `once it was known, ${AT_ONCE_PERCENT} % of the refusals took up to ${Math.round(atOnce)} ms, and ${known.withinMs} ms is promised`,
      );
    }
  }
  return faults;
}

function shown(what: string, entries: readonly string[]): string[] {
  if (entries.length === 0) return [];
  return [`${entries.length} ${what}: ${entries.slice(0, SHOWN_MAX).join("; ")}`];
}

/** Kinds of failures, most frequent first. */
function examples(failures: readonly Sample[], reference: number): string {
  const groups = Map.groupBy(failures, ({ operation, status, problem, wrong }) =>
    [operation, status, wrong ?? problem].join(" "),
  );
  return [...groups]
    .sort(([, one], [, other]) => other.length - one.length)
    .slice(0, SHOWN_MAX)
    .map(([group, some]) => {
      const times = some.map(({ sentAt }) => Math.round(sentAt - reference));
      const { requestId = "" } = some[0] ?? {};
      const example = requestId === "" ? "" : `, e.g. request ${requestId}`;
      return `${some.length} × ${group} (sent at ${Math.min(...times)}…${Math.max(...times)} ms${example})`;
    })
    .join("; ");
}
