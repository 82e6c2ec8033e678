import { describe, expect, it } from "@jest/globals";
import { dueDelaySeconds, retryDelaySeconds } from "../../../services/accounts/domain/backoff.ts";

describe("retryDelaySeconds", () => {
  it.each([
    [1, undefined, 0.5, 5],
    [2, undefined, 0.5, 30],
    [1, undefined, 0, 4],
    [1, undefined, 1, 6],
    [1, 60, 0.5, 60],
    [2, 1, 0.5, 30],
    [1, 900, 0.5, 900],
  ])(
    "waits after attempt %d, with a wish of %s and chance %d, for %d s",
    (attempts, wish, chance, expected) => {
      expect(retryDelaySeconds(attempts, wish, chance)).toBeCloseTo(expected, 9);
    },
  );

  it("tells of no next attempt when the provider wants to be left alone for longer than 15 minutes", () => {
    expect(retryDelaySeconds(1, 901, 0.5)).toBeUndefined();
  });
});

describe("dueDelaySeconds", () => {
  it.each([
    [900, 0, 900],
    [900, 1, 1_800],
    [900, 3, 7_200],
    [900, 5, 21_600],
    [900, 1_000, 21_600],
    // An interval beyond the longest delay stays.
    [86_400, 4, 86_400],
  ])("is, for %d s and after %d failures, %d s", (interval, failures, expected) => {
    expect(dueDelaySeconds(interval, failures, 0.5)).toBeCloseTo(expected, 9);
  });

  it("is spread by a fifth to both sides", () => {
    expect([0, 1].map((chance) => Math.round(dueDelaySeconds(900, 0, chance)))).toEqual([720, 1080]);
  });
});
