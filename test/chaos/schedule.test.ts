import { describe, expect, it } from "@jest/globals";
import { Schedule } from "../../chaos/load/schedule.ts";

function scheduled(patienceMs: number): Schedule {
  return new Schedule({
    urls: [],
    method: "GET",
    path: "/",
    tokens: [],
    connections: 1,
    patienceMs,
    // One each 100 ms, then one each 20 ms.
    phases: [
      { perSecond: 10, seconds: 1 },
      { perSecond: 50, seconds: 1 },
    ],
  });
}

describe("the schedule of an open load", () => {
  it("gives each request at its time, in order, and none before it", () => {
    const schedule = scheduled(10_000);
    expect(schedule.take(0)).toBeUndefined();
    const first = Array.from({ length: 4 }, () => schedule.take(250));
    expect(first).toEqual([0, 100, 200, undefined]);
    const rest: number[] = [];
    for (let at = schedule.take(2_000); at !== undefined; at = schedule.take(2_000)) rest.push(at);
    expect(rest).toHaveLength(57);
    expect(rest.slice(5, 9)).toEqual([800, 900, 1_000, 1_020]);
    expect([schedule.isOver(1_999), schedule.isOver(2_000), schedule.unsent]).toEqual([false, true, 0]);
  });

  it("passes over those that have waited too long, and counts them", () => {
    const schedule = scheduled(200);
    expect(schedule.take(950)).toBe(800);
    expect(schedule.unsent).toBe(8);
  });
});
