import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  amount,
  compareTexts,
  Decimal,
  decimal,
  isDecimal,
  plain,
  quotientDown,
  sum,
} from "../../../services/portfolios/domain/decimals.ts";
import { ExactSum } from "../../../services/portfolios/domain/exact-sum.ts";
import { percentages } from "../../../services/portfolios/domain/percentages.ts";
import { quantities } from "./arbitraries.ts";

const HUGE = `1${"0".repeat(30)}`;
const TINY = `0.${"0".repeat(29)}1`;

describe("isDecimal", () => {
  it.each(["0", "1", "-1", "0.5", "007", HUGE, TINY, "9".repeat(78), `0.${"9".repeat(78)}`])(
    "takes %s",
    (text) => {
      expect(isDecimal(text)).toBe(true);
    },
  );

  it.each([
    "",
    " 1",
    "1 ",
    "1.",
    ".5",
    "+1",
    "1e5",
    "0x1",
    "NaN",
    "Infinity",
    "1,5",
    "--1",
    "٣",
    "9".repeat(79),
  ])("refuses %j", (text) => {
    expect(isDecimal(text)).toBe(false);
    expect(() => decimal(text)).toThrow(/no plain decimal/);
  });
});

describe("amount", () => {
  it("refuses what is negative, by name", () => {
    expect(() => amount("-0.1", "frozen")).toThrow("frozen must not be negative, and is -0.1");
    expect(plain(amount("-0", "frozen"))).toBe("0");
  });
});

describe("plain", () => {
  it.each([
    ["1.500", "1.5"],
    ["-0", "0"],
    ["-0.000", "0"],
    ["007", "7"],
    [HUGE, HUGE],
    [TINY, TINY],
    ["-12.30", "-12.3"],
  ])("writes %s as %s", (text, expected) => {
    expect(plain(decimal(text))).toBe(expected);
  });

  it("keeps each digit of a product of the largest and the smallest", () => {
    const digits = `${"7".repeat(31)}.${"3".repeat(30)}`;
    const product = plain(decimal(digits).times(digits));
    const square = BigInt(digits.replace(".", "")) ** 2n;
    expect(product.replace(".", "")).toBe(String(square));
    expect(plain(decimal(HUGE).times(HUGE).plus(decimal(TINY).times(TINY)))).toBe(
      `1${"0".repeat(60)}.${"0".repeat(59)}1`,
    );
  });
});

describe("quotientDown", () => {
  it.each([
    ["1", "3", 4, "0.3333"],
    ["2", "3", 4, "0.6666"],
    ["12000", "3", 0, "4000"],
    ["1", HUGE, 30, TINY],
  ])("divides %s by %s, down to %d places", (dividend, divisor, places, expected) => {
    expect(plain(quotientDown(decimal(dividend), decimal(divisor), places))).toBe(expected);
  });
});

describe("compareTexts", () => {
  it("orders by code unit", () => {
    expect(["b", "B", "a", "ä", "b"].sort(compareTexts)).toEqual(["B", "a", "b", "b", "ä"]);
  });
});

describe("ExactSum", () => {
  it("is what adding decimals gives, for all sizes", () => {
    fc.assert(
      fc.property(fc.array(quantities, { maxLength: 40 }), (texts) => {
        const exact = new ExactSum();
        for (const text of texts) exact.add(text);
        expect(plain(exact.total())).toBe(plain(sum(texts.map(decimal))));
      }),
    );
  });

  it("goes on after more addends than a limb may hold, and after a total", () => {
    const exact = new ExactSum();
    for (let index = 0; index < 20_000; index += 1) exact.add("999999999999.999999999999");
    expect(plain(exact.total())).toBe("19999999999999999.99999998");
    exact.add("0.00000002");
    expect(plain(exact.total())).toBe("20000000000000000");
  });

  it.each(["-1", "1e5", ""])("refuses %j", (text) => {
    expect(() => new ExactSum().add(text)).toThrow(/no quantity/);
  });
});

describe("percentages", () => {
  it.each([
    [
      ["1", "1", "1"],
      ["33.33333334", "33.33333333", "33.33333333"],
    ],
    [
      ["60000", "40000"],
      ["60", "40"],
    ],
    [
      ["0", "5"],
      ["0", "100"],
    ],
    [
      ["0", "0"],
      ["0", "0"],
    ],
    [[], []],
    [
      [HUGE, TINY],
      ["100", "0"],
    ],
    [
      ["2", "1", "0"],
      ["66.66666667", "33.33333333", "0"],
    ],
  ])("of %j are %j", (parts, expected) => {
    expect(percentages(parts.map(decimal)).map(plain)).toEqual(expected);
  });

  it("add up to exactly 100, keep the order of the parts, and are less than a unit off", () => {
    fc.assert(
      fc.property(fc.array(quantities, { minLength: 1, maxLength: 30 }), (texts) => {
        const parts = texts.map(decimal);
        const total = sum(parts);
        fc.pre(!total.isZero());
        const shares = percentages(parts);
        expect(plain(sum(shares))).toBe("100");
        const unit = new Decimal("1e-8");
        for (const [index, share] of shares.entries()) {
          const part = parts[index] ?? new Decimal(0);
          expect(share.times(total).minus(part.times(100)).abs().lessThan(unit.times(total))).toBe(true);
          for (const [other, otherShare] of shares.entries())
            if (part.greaterThan(parts[other] ?? 0))
              expect(share.greaterThanOrEqualTo(otherShare)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });
});
