import { describe, expect, it } from "@jest/globals";
import { Course, type Fault, type FaultPromise } from "../../chaos/fault.ts";
import { judge, type Outcome } from "../../chaos/judge.ts";
import type { Sample, Window } from "../../chaos/load/sample.ts";
import { lastLineOf } from "../../chaos/report.ts";
import type { Stage } from "../../chaos/stage.ts";

const BEGUN_AT = 10_000;
const ENDED_AT = 15_000;

function failure(different: Partial<Sample> = {}): Sample {
  return {
    kind: "read",
    operation: "list portfolios",
    sentAt: 12_000,
    tookMs: 10,
    status: 503,
    problem: "service-unavailable",
    requestId: "",
    hasRetryAfter: true,
    gateway: "",
    wrong: undefined,
    ...different,
  };
}

function outcomeOf(
  promise: FaultPromise,
  failures: readonly Sample[],
  { roomMs = 0, whole = [] as string[], known = undefined as Course["known"], lost = [] as string[] } = {},
): Outcome {
  const fault: Fault = { name: "fault", title: "A fault", promise, run: () => Promise.resolve() };
  // A verdict needs no system.
  const course = new Course({} as Stage, { roomMs });
  Object.assign(course, { begunAt: BEGUN_AT, endedAt: ENDED_AT, known });
  const times = { p50: 1, p99: 2 };
  const window: Window = {
    sent: 1_000,
    failed: failures.length,
    failures,
    okMs: times,
  };
  return judge(fault, course, window, { checked: 1, lost, doubled: [], late: [] }, whole);
}

const GONE: FaultPromise = { goodAfterMs: 2_000, from: "end" };

describe("the judgement of a fault", () => {
  it("is that the promise was held when requests failed while it could not be otherwise", () => {
    const outcome = outcomeOf(GONE, [failure(), failure({ sentAt: ENDED_AT + 1_900 })]);
    expect(outcome).toMatchObject({
      failed: 2,
      late: 0,
      recoveredMs: 1_900,
      isUnrecovered: false,
      broken: [],
    });
  });

  it("is that the system has not recovered when a later one failed, but for the room that is given", () => {
    const late = [failure({ sentAt: ENDED_AT + 2_500 })];
    expect(outcomeOf(GONE, late)).toMatchObject({ late: 1, isUnrecovered: true });
    expect(outcomeOf(GONE, late).broken).toHaveLength(1);
    expect(outcomeOf(GONE, late, { roomMs: 1_000 })).toMatchObject({ late: 0, isUnrecovered: false });
    expect(outcomeOf({ ...GONE, from: "begin" }, [failure({ sentAt: ENDED_AT })]).late).toBe(1);
  });

  it("is that it has not recovered when its pools have not", () => {
    expect(outcomeOf(GONE, [], { whole: ["a pool is too small"] }).isUnrecovered).toBe(true);
  });

  it.each([
    ["another status than 503", failure({ status: 500 })],
    ["a 503 without Retry-After", failure({ hasRetryAfter: false })],
    ["no reply", failure({ status: 0, hasRetryAfter: false })],
    [
      "a wrong reply that says that all is well",
      failure({ status: 200, hasRetryAfter: false, wrong: "stale" }),
    ],
  ])("is that a promise was broken by %s", (_, sample) => {
    expect(outcomeOf(GONE, [sample]).broken).toHaveLength(1);
  });

  it("takes no reply where a gateway is gone with its connections", () => {
    const cut = [failure({ status: 0, hasRetryAfter: false })];
    expect(outcomeOf({ ...GONE, mayCut: true }, cut).broken).toEqual([]);
  });

  it("is that a promise was broken by a failure of what never fails", () => {
    const read = [failure()];
    const write = [failure({ kind: "write" })];
    expect(outcomeOf({ ...GONE, neverFails: "reads" }, read).broken).toHaveLength(1);
    expect(outcomeOf({ ...GONE, neverFails: "reads" }, write).broken).toEqual([]);
    expect(outcomeOf({ ...GONE, neverFails: "anything" }, write).broken).toHaveLength(1);
  });

  it("is that a promise was broken when failures are told too late", () => {
    const slow = [failure({ tookMs: 3_000 })];
    expect(outcomeOf({ ...GONE, toldWithinMs: 2_100 }, slow).broken).toHaveLength(1);
    expect(outcomeOf({ ...GONE, toldWithinMs: 3_100 }, slow).broken).toEqual([]);
    const known = { at: 11_000, withinMs: 100 };
    expect(outcomeOf(GONE, slow, { known }).broken).toHaveLength(1);
    expect(outcomeOf(GONE, slow, { known: { ...known, at: 12_500 } }).broken).toEqual([]);
  });

  it("is summed up in the last line", () => {
    const outcomes = [
      outcomeOf({ ...GONE, neverFails: "anything", isRolling: true }, [failure()]),
      outcomeOf(GONE, [failure({ sentAt: ENDED_AT + 9_000 })], { lost: ["a portfolio"] }),
    ];
    expect(lastLineOf(outcomes, ["not shown"])).toBe(
      "chaos: faults=2 lost=2 doubled=0 rolling_failed=1 unrecovered=1",
    );
  });
});
