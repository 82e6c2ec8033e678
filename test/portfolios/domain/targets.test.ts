import { describe, expect, it } from "@jest/globals";
import { sumsToHundred } from "../../../services/portfolios/domain/targets.ts";

describe("sumsToHundred", () => {
  it.each([
    [{ BTC: 100 }, true],
    [{ BTC: 33.33, ETH: 33.33, SOL: 33.34 }, true],
    [{ BTC: 33.33, ETH: 33.33, SOL: 33.33 }, true],
    [{ BTC: 60, ETH: 40.01 }, true],
    [{ BTC: 60, ETH: 39.99 }, true],
    [{ BTC: 60, ETH: 40.011 }, false],
    [{ BTC: 60, ETH: 39.989 }, false],
    [Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`A${index}`, 10])), true],
    [{}, false],
  ])("says of %j: %s", (targets, expected) => {
    expect(sumsToHundred(targets)).toBe(expected);
  });
});
