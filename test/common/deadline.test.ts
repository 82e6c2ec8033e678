import { describe, expect, it } from "@jest/globals";
import { abandon, asPartOf, begin, end, presentWork, Work } from "../../services/common/deadline.ts";
import { abandonmentEvents, REQUESTS_ABANDONED, workOf } from "../../services/common/deadline-wire.ts";
import { pause } from "./database/pools.ts";

const fault = new Error("given up");

describe("work", () => {
  it("is given up once, and tells its followers and its signal why", () => {
    const work = new Work();
    const told: Error[] = [];
    work.join({ givenUp: (reason) => void told.push(reason) });
    const { signal } = work;
    expect([work.fault, signal.aborted]).toEqual([undefined, false]);
    work.giveUp(fault);
    work.giveUp(new Error("again"));
    expect(told).toEqual([fault]);
    expect(work.fault).toBe(fault);
    expect(signal.reason).toBe(fault);
  });

  it("has a signal that is aborted when it is asked for too late", () => {
    const work = new Work();
    work.giveUp(fault);
    expect(work.signal.aborted).toBe(true);
  });

  it("forgets who leaves, and tells nobody once it is over", () => {
    const work = new Work();
    const told: string[] = [];
    const named = (name: string) => ({ givenUp: () => void told.push(name) });
    const [first, second, third] = [named("first"), named("second"), named("third")];
    for (const follower of [first, second, third]) work.join(follower);
    for (const follower of [second, first, second]) work.leave(follower);
    work.finish();
    work.giveUp(fault);
    expect(told).toEqual([]);
    expect(work.fault).toBeUndefined();
  });

  it("lets go of what it waits for", async () => {
    const work = new Work();
    await expect(work.whileWanted(Promise.resolve(1))).resolves.toBe(1);
    await expect(work.whileWanted(Promise.reject(new Error("own")))).rejects.toThrow("own");
    const waiting = work.whileWanted(new Promise(() => undefined));
    work.giveUp(fault);
    await expect(waiting).rejects.toBe(fault);
  });

  it("is given up from the start when its request was abandoned before it came", () => {
    abandon(new Set(["left early"]));
    const late = new Work({ requestId: "left early" });
    begin(late);
    expect(late.fault).toMatchObject({ type: "REQUEST_ABANDONED" });
    end(late);
    const other = new Work({ requestId: "still there" });
    begin(other);
    expect(other.fault).toBeUndefined();
    end(other);
  });

  it("is present in all that it begins, until it is over, and in nothing else", async () => {
    const work = new Work();
    const later = asPartOf(work, async () => {
      expect(presentWork()).toBe(work);
      expect(asPartOf(undefined, presentWork)).toBeUndefined();
      await pause(5);
      expect(presentWork()).toBe(work);
      await pause(20);
      return presentWork();
    });
    expect(presentWork()).toBeUndefined();
    await pause(10);
    work.finish();
    await expect(later).resolves.toBeUndefined();
  });

  it("is given up when its time is up, and not when it ended before", async () => {
    const late = new Work({ until: performance.now() + 50 });
    const ended = new Work({ until: performance.now() + 50 });
    for (const work of [late, ended]) begin(work);
    end(ended);
    expect(late.remainingMs).toBeGreaterThan(0);
    // Each 25 ms it is looked; the rest is for a busy machine.
    await pause(300);
    expect(late.fault).toMatchObject({ type: "DEADLINE_EXCEEDED" });
    expect(late.remainingMs).toBe(0);
    expect(ended.fault).toBeUndefined();
    end(late);
  });

  it("is given up when the process has stood still, unless it may be late; and asked before any timer, it says so", () => {
    const [writing, reading] = [new Work(), new Work({ outlivesStall: true })];
    for (const work of [writing, reading]) begin(work);
    standStill(500);
    expect(writing.fault).toBeUndefined();
    standStill(1_600);
    expect(writing.fault).toMatchObject({ type: "SERVICE_UNAVAILABLE" });
    expect(reading.fault).toBeUndefined();
    const later = new Work();
    begin(later);
    expect(later.fault).toBeUndefined();
    for (const work of [writing, reading, later]) end(work);
  });

  it("is given up when its request is abandoned, and no other is", () => {
    const works = [
      new Work({ requestId: "a" }),
      new Work({ requestId: "a" }),
      new Work({ requestId: "b" }),
      new Work(),
    ];
    for (const work of works) begin(work);
    abandon(new Set(["a", "c"]));
    expect(works.map((work) => work.fault !== undefined)).toEqual([true, true, false, false]);
    for (const work of works) end(work);
  });
});

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe("the work of a call", () => {
  const ticket = (inMs: number) => ({ id: "gateway#1", until: Date.now() + inMs });
  const leftOf = (work: Work) => work.until - performance.now();

  it("has the caller's time and request", () => {
    const work = workOf(5_000, ticket(60_000));
    expect(work.requestId).toBe("gateway#1");
    expect(leftOf(work)).toBeGreaterThan(4_900);
    expect(leftOf(work)).toBeLessThanOrEqual(5_000);
  });

  it("has less when it was long on its way, give or take what clocks may differ by", () => {
    expect(leftOf(workOf(5_000, ticket(-500)))).toBeGreaterThan(0);
    expect(leftOf(workOf(5_000, ticket(-1_100)))).toBeLessThan(0);
  });

  it.each([
    undefined,
    null,
    "gateway#1",
    {},
    { id: 1, until: 2 },
    { id: "a", until: "2" },
    { id: "a", until: Number.NaN },
    { id: "x".repeat(201), until: 1 },
  ])("takes %p for no ticket", (none) => {
    const work = workOf(5_000, none);
    expect(work.requestId).toBeUndefined();
    expect(leftOf(work)).toBeGreaterThan(4_900);
  });

  it("is given up by the gateway's event, whatever else that brings", () => {
    const work = workOf(5_000, ticket(5_000));
    begin(work);
    const hear = abandonmentEvents[REQUESTS_ABANDONED];
    for (const params of [undefined, null, {}, { ids: "gateway#1" }, { ids: [1, null] }]) hear({ params });
    expect(work.fault).toBeUndefined();
    hear({ params: { ids: [7, "gateway#1"] } });
    expect(work.fault).toBeDefined();
    end(work);
  });
});
