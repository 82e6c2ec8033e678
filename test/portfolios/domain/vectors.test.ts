import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { gainOf, realisedGain, unrealisedGain } from "../../../services/portfolios/domain/gains.ts";
import { valuesForExposures } from "../../../services/portfolios/domain/linear-exposures.ts";
import {
  type LedgerEntry,
  type LotMethod,
  ledgerOf,
  remaining,
} from "../../../services/portfolios/domain/lots.ts";
import { modifiedDietz } from "../../../services/portfolios/domain/modified-dietz.ts";
import { moneyWeightedReturn } from "../../../services/portfolios/domain/money-weighted-return.ts";
import { rebalance } from "../../../services/portfolios/domain/rebalancing.ts";
import { sameDayLedger } from "../../../services/portfolios/domain/same-day.ts";
import {
  cumulativeReturns,
  timeWeightedReturn,
} from "../../../services/portfolios/domain/time-weighted-return.ts";
import { rebalancingInput } from "./rebalancing-input.ts";

interface Trade {
  type: "BUY" | "SELL";
  qty: number;
  price?: number;
  total?: number;
}

interface Vector {
  id: string;
  kind: string;
  [member: string]: unknown;
}

const { vectors } = JSON.parse(
  readFileSync(new URL("./vectors/portfolio-maths.json", import.meta.url), "utf8"),
) as { vectors: Vector[] };

const text = (value: number) => String(value);
const date = (index: number) => new Date(Date.UTC(2024, 0, 1 + index)).toISOString();

/** Trades of a vector as entries, one day apart. */
function entriesOf(trades: readonly Trade[]): LedgerEntry[] {
  return trades.map(({ type, qty, price, total }, index) => ({
    type: type === "BUY" ? "buy" : "sell",
    at: date(index),
    quantity: text(qty),
    amount_usd: text(total ?? qty * (price ?? Number.NaN)),
  }));
}

function within(actual: string | null | undefined, expected: number, tolerance: number): void {
  expect(actual).toEqual(expect.any(String));
  expect(Math.abs(Number(actual) - expected)).toBeLessThanOrEqual(tolerance);
}

/** One check per kind of vector; a kind that is not here fails. */
const checks: Record<string, (vector: never) => void> = {
  xirr_act365(vector: {
    flows: [string, number][];
    expected: number;
    tolerance: number;
    recomputed: number;
  }) {
    const { value } = moneyWeightedReturn(
      vector.flows.map(([day, amount]) => ({ date: day, amount: text(amount) })),
    );
    within(value, vector.expected, vector.tolerance);
    within(value, vector.recomputed, 1e-12);
  },

  twr_chain(vector: {
    periods: { begin: number; inflow_at_start: number; end: number }[];
    annualise_years: number | null;
    expected: number;
    tolerance: number;
    recomputed: number;
  }) {
    const periods = vector.periods.map(({ begin, inflow_at_start, end }) => ({
      begin: text(begin),
      inflow_at_start: text(inflow_at_start),
      end: text(end),
    }));
    const years = vector.annualise_years;
    const { value } = timeWeightedReturn(periods, years === null ? undefined : text(years));
    within(value, vector.expected, vector.tolerance);
    within(value, vector.recomputed, 1e-12);
  },

  twr_daily_inflow_start_outflow_end(vector: {
    events: { deposit: number; withdrawal: number; gain: number }[];
    expected_cumulative: number[];
    tolerance: number;
  }) {
    let value = 0;
    const periods = vector.events.map(({ deposit, withdrawal, gain }) => {
      const begin = value;
      value = Number((begin + deposit - withdrawal + gain).toFixed(2));
      return {
        begin: text(begin),
        inflow_at_start: text(deposit),
        outflow_at_end: text(withdrawal),
        end: text(value),
      };
    });
    const returns = cumulativeReturns(periods);
    expect(returns).toHaveLength(vector.expected_cumulative.length);
    for (const [index, expected] of vector.expected_cumulative.entries())
      within(returns[index]?.value, expected, vector.tolerance);
  },

  modified_dietz(vector: {
    begin: number;
    end: number;
    days: number;
    flows: { day: number; amount: number }[];
    expected: number;
    expected_denominator: number;
  }) {
    const result = modifiedDietz({
      begin: text(vector.begin),
      end: text(vector.end),
      days: vector.days,
      flows: vector.flows.map(({ day, amount }) => ({ day, amount: text(amount) })),
    });
    within(result.return.value, vector.expected, 5e-5);
    within(result.average_capital, vector.expected_denominator, 5e-4);
  },

  cost_basis(vector: {
    transactions: Trade[];
    last_price: number;
    expected: Record<string, { realised: number; unrealised: number }>;
  }) {
    for (const [method, { realised, unrealised }] of Object.entries(vector.expected)) {
      const ledger = ledgerOf(entriesOf(vector.transactions), method as LotMethod);
      expect(realisedGain(ledger)).toEqual({ value: text(realised), reason: null });
      expect(unrealisedGain(ledger, text(vector.last_price))).toEqual({
        value: text(unrealised),
        reason: null,
      });
    }
  },

  cost_basis_totals(vector: {
    transactions: Trade[];
    expected: Record<string, { remaining_cost: number; realised: number }>;
  }) {
    for (const [method, { remaining_cost, realised }] of Object.entries(vector.expected)) {
      const ledger = ledgerOf(entriesOf(vector.transactions), method as LotMethod);
      within(realisedGain(ledger).value, realised, 0.005);
      within(remaining(ledger).basis_usd, remaining_cost, 0.005);
    }
  },

  average_cost_steps(vector: {
    steps: (Trade & { pnl: number; total_cost_after: number; qty_after: number })[];
    then: (Trade & { pnl: number; missing_qty: number })[];
  }) {
    const trades: Trade[] = [...vector.steps, ...vector.then];
    const entries = entriesOf(trades);
    for (const [index, step] of vector.steps.entries()) {
      const ledger = ledgerOf(entries.slice(0, index + 1), "AVERAGE");
      expect(remaining(ledger)).toEqual({
        quantity: text(step.qty_after),
        basis_usd: text(step.total_cost_after),
      });
      const last = ledger.disposals.at(-1);
      if (step.type === "SELL") expect(last && gainOf(last).value).toBe(text(step.pnl));
      else expect(step.pnl).toBe(0);
    }
    const { disposals } = ledgerOf(entries, "AVERAGE");
    for (const [index, step] of vector.then.entries()) {
      const disposal = disposals.at(index - vector.then.length);
      expect(disposal && gainOf(disposal).value).toBe(text(step.pnl));
      expect(disposal?.missing_quantity.toString()).toBe(text(step.missing_qty));
    }
  },

  hifo_remaining(vector: { lots: { qty: number; price: number }[] }) {
    const [dear, cheap] = vector.lots as [{ qty: number; price: number }, { qty: number; price: number }];
    const buy = ({ qty, price }: { qty: number; price: number }, at: number): LedgerEntry => ({
      type: "buy",
      at: date(at),
      quantity: text(qty),
      amount_usd: text(qty * price),
    });
    const sell = (qty: number, at: number): LedgerEntry => ({
      type: "sell",
      at: date(at),
      quantity: text(qty),
      amount_usd: "0",
    });
    const entries = [buy(dear, 0), buy(cheap, 1), sell(1, 2)];
    expect(lotsLeft(entries, "HIFO")).toEqual([
      ["1", "3"],
      ["5", "5"],
    ]);
    entries.push(buy({ qty: 1, price: 2 }, 3), sell(6, 4));
    expect(lotsLeft(entries, "HIFO")).toEqual([["1", "1"]]);
  },

  lifo_remaining(vector: { lots: { qty: number; price: number; t: number }[] }) {
    // The sales come after all purchases in time; what is bought later in the list at an equal time is newer.
    const buy = ({ qty, price, t }: { qty: number; price: number; t: number }): LedgerEntry => ({
      type: "buy",
      at: date(t),
      quantity: text(qty),
      amount_usd: text(qty * price),
    });
    const sell = (qty: number, t: number): LedgerEntry => ({
      type: "sell",
      at: date(t),
      quantity: text(qty),
      amount_usd: "0",
    });
    const bought = vector.lots.map(buy);
    expect(lotsLeft([...bought, sell(3, 20)], "LIFO").map(([quantity]) => quantity)).toEqual(["2", "2"]);
    // Recorded late, and of the time of the first: after it, before the second.
    const all = [...bought, buy({ qty: 1, price: 1, t: 0 }), sell(3, 20), sell(4, 21)];
    expect(lotsLeft(all, "LIFO")).toEqual([["1", "1"]]);
  },

  section104(vector: {
    pool_before: { qty: number; cost: number };
    sell: { qty: number; proceeds: number };
    expected: { cost: number; gain: number; pool_after: { qty: number; cost: number } };
  }) {
    const { pool_before, sell, expected } = vector;
    const ledger = ledgerOf(
      [
        { type: "buy", at: date(0), quantity: text(pool_before.qty), amount_usd: text(pool_before.cost) },
        { type: "sell", at: date(1), quantity: text(sell.qty), amount_usd: text(sell.proceeds) },
      ],
      "AVERAGE",
    );
    expect(ledger.disposals[0]?.basis?.toString()).toBe(text(expected.cost));
    expect(realisedGain(ledger).value).toBe(text(expected.gain));
    expect(remaining(ledger)).toEqual({
      quantity: text(expected.pool_after.qty),
      basis_usd: text(expected.pool_after.cost),
    });
  },

  same_day(vector: {
    pool_before: { qty: number; cost: number };
    day: { sell?: number; buy?: number; proceeds?: number; cost?: number }[];
    expected: { cost: number; gain: number; pool_after: { qty: number; cost: number } };
  }) {
    const ofDay = vector.day.map(
      ({ sell, buy, proceeds, cost }): LedgerEntry => ({
        type: sell === undefined ? "buy" : "sell",
        at: date(5),
        quantity: text(sell ?? buy ?? 0),
        amount_usd: text(proceeds ?? cost ?? 0),
      }),
    );
    const { qty, cost } = vector.pool_before;
    const before: LedgerEntry = { type: "buy", at: date(0), quantity: text(qty), amount_usd: text(cost) };
    const ledger = sameDayLedger([before, ...ofDay]);
    const { expected } = vector;
    // HMRC rounds to whole pounds.
    within(ledger.disposals[0]?.basis?.toString(), expected.cost, 0.5);
    within(realisedGain(ledger).value, expected.gain, 0.5);
    expect(realisedGain(ledger).value).toBe("462.5");
    expect(remaining(ledger)).toEqual({ quantity: text(expected.pool_after.qty), basis_usd: "562.5" });
    within(remaining(ledger).basis_usd, expected.pool_after.cost, 0.5);
  },

  split(vector: { cases: string[] }) {
    for (const sentence of vector.cases) {
      const expected = /-> qty (?<quantity>\S+) avg (?<average>\S+) cost (?<cost>\S+)$/.exec(
        sentence,
      )?.groups;
      const left = remaining(ledgerOf(splitEntries(sentence), "AVERAGE"));
      const [dividend = "", divisor = "1"] = expected?.quantity?.split("/") ?? [];
      within(left.quantity, Number(dividend) / Number(divisor), 1e-12);
      expect(left.basis_usd).toBe(expected?.cost);
      within(String(Number(left.basis_usd) / Number(left.quantity)), Number(expected?.average), 1e-9);
    }
  },

  rebalance_full(vector: {
    values: Record<string, number>;
    targets: Record<string, number>;
    expected: Record<string, number>;
  }) {
    const assets = Object.keys(vector.values);
    const { orders } = rebalance(
      rebalancingInput({
        held: assets.map((asset) => ({ asset, quantity: text(vector.values[asset] ?? 0), price: "1" })),
        targets: Object.fromEntries(assets.map((asset) => [asset, (vector.targets[asset] ?? 0) * 100])),
      }),
    );
    const changes = orders.map(({ asset, action, estimated_value_usd }) => [
      asset,
      (action === "buy" ? 1 : -1) * Number(estimated_value_usd),
    ]);
    expect(Object.fromEntries(changes)).toEqual(vector.expected);
  },

  rebalance_linear(vector: { constraints: Record<string, number>[]; expected: Record<string, number> }) {
    const exposures = vector.constraints.map(({ sum = 0, ...coefficients }) => ({
      coefficients: Object.fromEntries(
        Object.entries(coefficients).map(([asset, part]) => [asset, text(part)]),
      ),
      sum: text(sum),
    }));
    const expected = Object.entries(vector.expected).map(([asset, value]) => [asset, text(value)]);
    expect(valuesForExposures(exposures)).toEqual({ values: Object.fromEntries(expected), reason: null });
  },
};

function lotsLeft(entries: readonly LedgerEntry[], method: LotMethod): [string, string | undefined][] {
  return ledgerOf(entries, method).lots.map(({ quantity, basis }) => [
    quantity.toString(),
    basis?.toString(),
  ]);
}

/** `BUY 10 @100, 2:1 then 1:3` as entries. A split of `new:old`, and the reverse one of 1:10. */
function splitEntries(sentence: string): LedgerEntry[] {
  const steps = (sentence.split(" -> ")[0] ?? "").split(/, | then /);
  return steps.map((step, index): LedgerEntry => {
    const trade = /^(BUY|SELL) (\d+) @(\d+)$/.exec(step);
    if (trade)
      return {
        type: trade[1] === "BUY" ? "buy" : "sell",
        at: date(index),
        quantity: trade[2] ?? "",
        amount_usd: text(Number(trade[2]) * Number(trade[3])),
      };
    const [, becomes = "", for_each = ""] = /^(\d+):(\d+)/.exec(step) ?? [];
    return { type: "split", at: date(index), becomes, for_each };
  });
}

describe("the published vectors", () => {
  it("are all there", () => {
    expect(vectors).toHaveLength(22);
    expect(new Set(vectors.map(({ kind }) => kind))).toEqual(new Set(Object.keys(checks)));
  });

  it.each(vectors.map((vector) => [vector.id, vector] as const))("hold: %s", (_, vector) => {
    const check = checks[vector.kind];
    expect(check).toBeDefined();
    check?.(vector as never);
  });
});
