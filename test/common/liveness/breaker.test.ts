import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { Breaker } from "../../../services/common/liveness/breaker.ts";

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function endpoint() {
  return { id: "far", local: false, isAvailable: true, state: true };
}

function fail(breaker: Breaker, times: number): void {
  for (let time = 0; time < times; time += 1) breaker.timedOut();
}

describe("Breaker", () => {
  it("opens with the tenth time-out, not with the ninth", () => {
    const watched = endpoint();
    const breaker = new Breaker(watched);
    fail(breaker, 9);
    expect(watched.state).toBe(true);
    fail(breaker, 1);
    expect(watched.state).toBe(false);
  });

  it("stays closed while more calls succeed than fail", () => {
    const watched = endpoint();
    const breaker = new Breaker(watched);
    for (let round = 0; round < 50; round += 1) {
      breaker.answered();
      breaker.answered();
      breaker.timedOut();
    }
    expect(watched.state).toBe(true);
  });

  it("forgets failures that are older than its window", () => {
    const watched = endpoint();
    const breaker = new Breaker(watched);
    fail(breaker, 9);
    jest.advanceTimersByTime(10_001);
    fail(breaker, 9);
    expect(watched.state).toBe(true);
  });

  it("lets one call through within 2 s, and closes when that succeeds", () => {
    const watched = endpoint();
    const breaker = new Breaker(watched);
    fail(breaker, 10);
    jest.advanceTimersByTime(2_000);
    expect(watched.state).toBe(true);
    breaker.called();
    expect(watched.state).toBe(false);
    expect(breaker.answered()).toBe(true);
    expect(watched.state).toBe(true);
  });

  it("opens again when that call fails, and lets another through if it never ends", () => {
    const watched = endpoint();
    const breaker = new Breaker(watched);
    fail(breaker, 10);
    jest.advanceTimersByTime(2_000);
    breaker.called();
    breaker.timedOut();
    expect(watched.state).toBe(false);
    jest.advanceTimersByTime(2_000);
    breaker.called();
    expect(watched.state).toBe(false);
    jest.advanceTimersByTime(2_500);
    expect(watched.state).toBe(true);
  });

  it("is not closed by replies to calls from before it opened", () => {
    const watched = endpoint();
    const breaker = new Breaker(watched);
    fail(breaker, 10);
    expect(breaker.answered()).toBe(false);
    expect(watched.state).toBe(false);
  });
});
