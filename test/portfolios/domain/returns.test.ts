import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { Decimal } from "../../../services/portfolios/domain/decimals.ts";
import { valuesForExposures } from "../../../services/portfolios/domain/linear-exposures.ts";
import { modifiedDietz } from "../../../services/portfolios/domain/modified-dietz.ts";
import { moneyWeightedReturn } from "../../../services/portfolios/domain/money-weighted-return.ts";
import { rootNear, rootsOf } from "../../../services/portfolios/domain/present-value.ts";
import {
  cumulativeReturns,
  timeWeightedReturn,
} from "../../../services/portfolios/domain/time-weighted-return.ts";

const flows = (...list: [string, string | null][]) => list.map(([date, amount]) => ({ date, amount }));

describe("timeWeightedReturn", () => {
  it.each([
    ["no_periods", [], undefined],
    ["missing_price", [{ begin: "1", end: null }], undefined],
    ["missing_price", [{ begin: null, end: "1" }], undefined],
    ["zero_base", [{ begin: "0", end: "5" }], undefined],
    ["zero_base", [{ begin: "100", inflow_at_start: "-100", end: "0" }], undefined],
    ["negative_base", [{ begin: "100", inflow_at_start: "-101", end: "0" }], undefined],
    ["no_time", [{ begin: "1", end: "2" }], "0"],
  ])("is null with the reason %s", (reason, periods, years) => {
    expect(timeWeightedReturn(periods, years)).toEqual({ value: null, reason });
  });

  it.each([
    ["a total loss", [{ begin: "100", end: "0" }], "-1"],
    ["no change", [{ begin: "100", end: "100" }], "0"],
    ["thirds", [{ begin: "3", end: "4" }], "0.333333333333"],
    ["10^30 and 10^-30", [{ begin: `0.${"0".repeat(29)}1`, end: `1${"0".repeat(30)}` }], `${"9".repeat(60)}`],
  ])("is exact for %s", (_, periods, value) => {
    expect(timeWeightedReturn(periods)).toEqual({ value, reason: null });
  });

  it("does not depend on what is paid in or out between the periods", () => {
    const growth = fc.integer({ min: 1, max: 300 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(growth, fc.integer({ min: 1, max: 10_000 })), { minLength: 1 }),
        (parts) => {
          const periods = (base: (part: number) => number) =>
            parts.map(([percent, part]) => ({
              begin: String(base(part) * 100),
              end: String(base(part) * percent),
            }));
          expect(timeWeightedReturn(periods((part) => part))).toEqual(timeWeightedReturn(periods(() => 7)));
        },
      ),
      { numRuns: 50 },
    );
  });

  it("cannot go on after a period that cannot be computed", () => {
    const returns = cumulativeReturns([
      { begin: "10", end: "11" },
      { begin: "11", end: null },
      { begin: "12", end: "13" },
    ]);
    expect(returns).toEqual([
      { value: "0.1", reason: null },
      { value: null, reason: "missing_price" },
      { value: null, reason: "missing_price" },
    ]);
  });
});

describe("moneyWeightedReturn", () => {
  it.each([
    ["no_change_of_sign", flows()],
    ["no_change_of_sign", flows(["2024-01-01", "-100"], ["2024-06-01", "-5"])],
    ["no_change_of_sign", flows(["2024-01-01", "-100"], ["2024-06-01", "0"])],
    ["no_change_of_sign", flows(["2024-01-01", "0"], ["2024-06-01", "0"])],
    ["no_time", flows(["2024-01-01", "-100"], ["2024-01-01", "110"])],
    ["missing_price", flows(["2024-01-01", "-100"], ["2024-06-01", null])],
    // 10 % and 20 % both solve it.
    ["several_rates", flows(["2021-01-01", "-100"], ["2022-01-01", "230"], ["2023-01-01", "-132"])],
    ["no_rate", flows(["2021-01-01", "100"], ["2022-01-01", "-150"], ["2023-01-01", "100"])],
    ["no_rate", flows(["2024-01-01", "-100"], ["2024-01-02", "150"])],
  ])("is null with the reason %s", (reason, list) => {
    expect(moneyWeightedReturn(list)).toEqual({ value: null, reason });
  });

  it.each([
    ["ten percent in a year", flows(["2021-01-01", "-100"], ["2022-01-01", "110"]), "0.1"],
    ["nothing gained", flows(["2021-01-01", "-100"], ["2023-05-07", "100"]), "0"],
    [
      "flows of one day, which are one flow",
      flows(["2021-01-01", "-60"], ["2021-01-01", "-40"], ["2022-01-01", "110"]),
      "0.1",
    ],
    [
      "amounts of 10^30",
      flows(["2021-01-01", `-1${"0".repeat(30)}`], ["2022-01-01", `11${"0".repeat(29)}`]),
      "0.1",
    ],
    [
      "amounts of 10^-30",
      flows(["2021-01-01", `-0.${"0".repeat(29)}1`], ["2022-01-01", `0.${"0".repeat(29)}11`]),
      "0.1",
    ],
  ])("is exact for %s", (_, list, value) => {
    expect(moneyWeightedReturn(list)).toEqual({ value, reason: null });
  });

  it("refuses what is no date", () => {
    expect(() => moneyWeightedReturn(flows(["2023-02-29", "-1"], ["2024-01-01", "1"]))).toThrow(/no date/);
  });

  it("finds the rate that the flows were made with, in whatever order they come", () => {
    const rates = fc.integer({ min: -90, max: 400 });
    const deposits = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 1, max: 100_000 })),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(rates, deposits, (percent, list) => {
        const date = (day: number) => new Date(Date.UTC(2015, 0, 1 + day)).toISOString().slice(0, 10);
        const end = list.reduce(
          (sum, [day, amount]) => sum + amount * (1 + percent / 100) ** ((3650 - day) / 365),
          0,
        );
        const made = list.map(([day, amount]) => ({ date: date(day), amount: String(-amount) }));
        const last = { date: date(3650), amount: end.toFixed(12) };
        const forward = moneyWeightedReturn([...made, last]);
        expect(Number(forward.value)).toBeCloseTo(percent / 100, 8);
        expect(moneyWeightedReturn([last, ...made.toReversed()])).toEqual(forward);
      }),
      { numRuns: 40 },
    );
  });
});

describe("rootNear", () => {
  const amounts = [
    { day: 0, amount: new Decimal(-100) },
    { day: 7, amount: new Decimal(60) },
    { day: 30, amount: new Decimal(60) },
  ];
  const [guess = new Decimal(0)] = rootsOf(amounts, 365);

  it("has 30 digits of the root where the guess has 15", () => {
    const root = rootNear(amounts, guess) ?? guess;
    const value = amounts.reduce(
      (sum, { day, amount }) => sum.plus(amount.times(root.pow(day))),
      new Decimal(0),
    );
    expect(value.abs().lessThan("1e-30")).toBe(true);
    expect(root.minus(guess).abs().lessThan("1e-14")).toBe(true);
  });

  it("is null where there is no root near the guess", () => {
    expect(rootNear(amounts, guess.times("0.9"))).toBeNull();
  });
});

describe("modifiedDietz", () => {
  it.each([
    ["missing_price", { begin: null, end: "1", days: 30, flows: [] }],
    ["missing_price", { begin: "1", end: null, days: 30, flows: [] }],
    ["no_time", { begin: "1", end: "2", days: 0, flows: [] }],
    ["zero_base", { begin: "0", end: "0", days: 30, flows: [] }],
    ["zero_base", { begin: "0", end: "10", days: 30, flows: [{ day: 30, amount: "10" }] }],
    ["negative_base", { begin: "10", end: "0", days: 10, flows: [{ day: 0, amount: "-11" }] }],
  ])("is null with the reason %s", (reason, period) => {
    expect(modifiedDietz(period).return).toEqual({ value: null, reason });
  });

  it("is the plain return where nothing flows, and refuses flows of other days", () => {
    expect(modifiedDietz({ begin: "100", end: "105", days: 3, flows: [] })).toEqual({
      return: { value: "0.05", reason: null },
      average_capital: "100",
    });
    const late = { begin: "100", end: "105", days: 3, flows: [{ day: 4, amount: "1" }] };
    expect(() => modifiedDietz(late)).toThrow(/on a day of the period/);
  });
});

describe("valuesForExposures", () => {
  it.each([
    ["ambiguous", [{ coefficients: { A: "1", B: "1" }, sum: "10" }]],
    [
      "contradictory",
      [
        { coefficients: { A: "1" }, sum: "10" },
        { coefficients: { A: "2" }, sum: "10" },
      ],
    ],
  ])("is null with the reason %s", (reason, exposures) => {
    expect(valuesForExposures(exposures)).toEqual({ values: null, reason });
  });

  it("swaps rows where a pivot is 0, and takes what is said twice for once", () => {
    const exposures = [
      { coefficients: { B: "2" }, sum: "6" },
      { coefficients: { A: "1", B: "1" }, sum: "10" },
      { coefficients: { A: "1", B: "1" }, sum: "10" },
    ];
    expect(valuesForExposures(exposures)).toEqual({ values: { A: "7", B: "3" }, reason: null });
  });
});
