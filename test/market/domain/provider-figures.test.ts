import { describe, expect, it } from "@jest/globals";
import { plainDecimal, priceOf, rankOf } from "../../../services/market/domain/provider-figures.ts";

describe("plainDecimal", () => {
  it.each([
    ["0", "0"],
    ["-0.0", "0"],
    ["1.50", "1.5"],
    ["1e-7", "0.0000001"],
    ["1.25E-12", "0.00000000000125"],
    ["1e30", "1000000000000000000000000000000"],
    ["1.5e+3", "1500"],
    ["-123.456e-3", "-0.123456"],
    ["0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"],
    [
      "123456789012345678901234567890.123456789012345678901234567890",
      "123456789012345678901234567890.12345678901234567890123456789",
    ],
  ])("of %s is %s", (text, plain) => {
    expect(plainDecimal(text)).toBe(plain);
  });

  it.each(["", "x", "1,5", "1e", "Infinity", "NaN", "1e41", "1e-41", "1e9999", `1${"0".repeat(200)}`])(
    "of %s is none",
    (text) => {
      expect(plainDecimal(text)).toBeUndefined();
    },
  );
});

describe("priceOf", () => {
  it.each([null, undefined, "0", "0.000", "-1", "1e-50", "1e50", "NaN"])("takes %s for no price", (text) => {
    expect(priceOf(text)).toBeUndefined();
  });
});

describe("rankOf", () => {
  it.each([
    ["1", 1],
    ["9999999", 9_999_999],
    ["0", null],
    ["-1", null],
    ["1.5", null],
    ["1e3", null],
    [null, null],
  ])("of %s is %s", (text, rank) => {
    expect(rankOf(text)).toBe(rank);
  });
});
