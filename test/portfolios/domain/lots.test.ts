import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { decimal, plain, sum } from "../../../services/portfolios/domain/decimals.ts";
import {
  gainOf,
  missingQuantity,
  realisedGain,
  unrealisedGain,
} from "../../../services/portfolios/domain/gains.ts";
import {
  type LedgerEntry,
  type LotMethod,
  ledgerOf,
  remaining,
} from "../../../services/portfolios/domain/lots.ts";
import { sameDayLedger } from "../../../services/portfolios/domain/same-day.ts";
import { commonQuantities } from "./arbitraries.ts";

const METHODS: LotMethod[] = ["FIFO", "LIFO", "HIFO", "AVERAGE"];

function entry(
  type: "buy" | "sell",
  day: number,
  quantity: string,
  amount: string | null,
  fee?: string,
): LedgerEntry {
  const at = new Date(Date.UTC(2024, 0, day)).toISOString();
  return { type, at, quantity, amount_usd: amount, ...(fee === undefined ? {} : { fee_usd: fee }) };
}

describe("ledgerOf", () => {
  it.each(METHODS)("adds the fee of a purchase and takes off that of a sale: %s", (method) => {
    const ledger = ledgerOf([entry("buy", 1, "2", "100", "4"), entry("sell", 2, "1", "80", "3")], method);
    expect(realisedGain(ledger)).toEqual({ value: "25", reason: null });
    expect(remaining(ledger)).toEqual({ quantity: "1", basis_usd: "52" });
    expect(unrealisedGain(ledger, "60")).toEqual({ value: "8", reason: null });
  });

  it("orders by time, not by the list", () => {
    const ledger = ledgerOf(
      [entry("sell", 3, "1", "9"), entry("buy", 2, "1", "5"), entry("buy", 1, "1", "2")],
      "FIFO",
    );
    expect(realisedGain(ledger).value).toBe("7");
    expect(missingQuantity(ledger)).toBe("0");
  });

  it.each([
    ["FIFO", null, "unknown_basis"],
    ["LIFO", "-1", null],
    ["HIFO", "-1", null],
    ["AVERAGE", null, "unknown_basis"],
  ] as const)(
    "propagates an unknown basis to what it enters, and to nothing else: %s",
    (method, value, reason) => {
      const ledger = ledgerOf(
        [entry("buy", 1, "1", null), entry("buy", 2, "1", "10"), entry("sell", 3, "1", "9")],
        method,
      );
      expect(realisedGain(ledger)).toEqual({ value, reason });
      expect(remaining(ledger).basis_usd).toBe(method === "FIFO" ? "10" : null);
      expect(unrealisedGain(ledger, "12")).toEqual(
        method === "FIFO" ? { value: "2", reason: null } : { value: null, reason: "unknown_basis" },
      );
    },
  );

  it("starts anew once a pool of unknown basis is sold out", () => {
    const ledger = ledgerOf(
      [
        entry("buy", 1, "1", null),
        entry("sell", 2, "1", "9"),
        entry("buy", 3, "1", "10"),
        entry("sell", 4, "1", "15"),
      ],
      "AVERAGE",
    );
    expect(ledger.disposals.map(gainOf)).toEqual([
      { value: null, reason: "unknown_basis" },
      { value: "5", reason: null },
    ]);
    expect(realisedGain(ledger)).toEqual({ value: null, reason: "unknown_basis" });
  });

  it("has no gain without proceeds, and none unrealised without a price, but 0 of nothing", () => {
    const sold = ledgerOf([entry("buy", 1, "1", "5"), entry("sell", 2, "1", null)], "FIFO");
    expect(realisedGain(sold)).toEqual({ value: null, reason: "unknown_proceeds" });
    expect(unrealisedGain(sold, null)).toEqual({ value: "0", reason: null });
    const held = ledgerOf([entry("buy", 1, "1", "5")], "FIFO");
    expect(unrealisedGain(held, null)).toEqual({ value: null, reason: "missing_price" });
  });

  it("reports what was sold without having been there", () => {
    const ledger = ledgerOf([entry("buy", 1, "1", "5"), entry("sell", 2, "3", "30")], "LIFO");
    expect(missingQuantity(ledger)).toBe("2");
    expect(realisedGain(ledger).value).toBe("25");
  });

  it("refuses negative quantities", () => {
    expect(() => ledgerOf([entry("buy", 1, "-1", "5")], "FIFO")).toThrow(/quantity must not be negative/);
  });

  const trades = fc.array(
    fc.record({
      type: fc.constantFrom("buy" as const, "buy" as const, "sell" as const),
      day: fc.integer({ min: 1, max: 300 }),
      quantity: commonQuantities,
      amount: commonQuantities,
    }),
    { maxLength: 25 },
  );

  it.each(METHODS)("loses neither quantity nor basis: %s", (method) => {
    fc.assert(
      fc.property(trades, (list) => {
        const entries = list.map(({ type, day, quantity, amount }) => entry(type, day, quantity, amount));
        const ledger = ledgerOf(entries, method);
        const bought = list.filter(({ type, quantity }) => type === "buy" && !decimal(quantity).isZero());
        const taken = ledger.disposals.map(({ quantity, missing_quantity }) =>
          quantity.minus(missing_quantity),
        );
        const left = remaining(ledger);
        expect(plain(sum(bought.map(({ quantity }) => decimal(quantity))))).toBe(
          plain(sum([...taken, decimal(left.quantity)])),
        );
        const bases = ledger.disposals.map(({ basis }) => basis ?? decimal("0"));
        expect(plain(sum(bought.map(({ amount }) => decimal(amount))))).toBe(
          plain(sum([...bases, ...ledger.lots.map(({ basis }) => basis ?? decimal("0"))])),
        );
        for (const lot of ledger.lots) expect(lot.basis?.isNegative()).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  it("gains the same in the end, whatever the method, once all is sold", () => {
    fc.assert(
      fc.property(trades, (list) => {
        const buys = list.map(({ day, quantity, amount }) => entry("buy", day, quantity, amount));
        const all = plain(sum(list.map(({ quantity }) => decimal(quantity))));
        const gains = METHODS.map((method) =>
          realisedGain(ledgerOf([...buys, entry("sell", 400, all, "5")], method)),
        );
        expect(new Set(gains.map(({ value }) => value)).size).toBe(1);
      }),
      { numRuns: 40 },
    );
  });
});

describe("sameDayLedger", () => {
  it("matches a day's sales with its purchases, and takes the rest from the pool", () => {
    const ledger = sameDayLedger([
      entry("buy", 1, "10", "100"),
      entry("sell", 2, "6", "120", "6"),
      entry("buy", 2, "4", "60"),
    ]);
    expect(ledger.disposals.map(({ quantity, basis }) => [plain(quantity), basis && plain(basis)])).toEqual([
      ["4", "60"],
      ["2", "20"],
    ]);
    expect(realisedGain(ledger).value).toBe("34");
    expect(remaining(ledger)).toEqual({ quantity: "8", basis_usd: "80" });
  });

  it("is the pool where no day has both", () => {
    const entries = [entry("buy", 1, "3", "10"), entry("buy", 2, "1", "5"), entry("sell", 3, "2", "9")];
    expect(realisedGain(sameDayLedger(entries))).toEqual(realisedGain(ledgerOf(entries, "AVERAGE")));
  });

  it("splits the pool on a day without trades, and refuses a day with both", () => {
    const split: LedgerEntry = { type: "split", at: "2024-01-02T00:00:00.000Z", becomes: "2", for_each: "1" };
    expect(remaining(sameDayLedger([entry("buy", 1, "1", "5"), split]))).toEqual({
      quantity: "2",
      basis_usd: "5",
    });
    expect(() => sameDayLedger([entry("buy", 2, "1", "5"), split])).toThrow(/both a split and trades/);
  });
});
