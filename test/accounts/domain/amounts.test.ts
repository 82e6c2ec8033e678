import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { type Amounts, completeAmounts } from "../../../services/accounts/domain/amounts.ts";

/** A whole number of units of 10^-38. */
const units = fc.bigInt({ min: 0n, max: 10n ** 76n });
const SCALE = 38;

function textOf(amount: bigint): string {
  const digits = amount.toString().padStart(SCALE + 1, "0");
  return `${digits.slice(0, -SCALE)}.${digits.slice(-SCALE)}`;
}

function unitsOf(text: string): bigint {
  const [whole = "", fraction = ""] = text.split(".");
  return BigInt(whole + fraction.padEnd(SCALE, "0"));
}

describe("completeAmounts", () => {
  it.each([
    [{ quantity: "1" }, { quantity: "1", available: "1", frozen: "0" }],
    [
      { quantity: "1", frozen: "0.3" },
      { quantity: "1", available: "0.7", frozen: "0.3" },
    ],
    [
      { quantity: "1.10", available: "1.0" },
      { quantity: "1.10", available: "1.0", frozen: "0" },
    ],
    [
      { quantity: "0", available: "0", frozen: "0" },
      { quantity: "0", available: "0", frozen: "0" },
    ],
    [{ quantity: "1", frozen: "1.1" }, { member: "frozen" }],
    [{ quantity: "1", available: "1.1" }, { member: "available" }],
    [{ quantity: "1", available: "0.6", frozen: "0.5" }, { member: "available" }],
    [{ quantity: "1", available: "0", frozen: "2" }, { member: "frozen" }],
  ])("makes of %j %j", (given, expected) => {
    expect(completeAmounts(given)).toMatchObject(expected);
  });

  it("splits every quantity exactly into what is available and what is frozen", () => {
    fc.assert(
      fc.property(units, units, (one, other) => {
        const [frozen, quantity] = one < other ? [one, other] : [other, one];
        const amounts = completeAmounts({ quantity: textOf(quantity), frozen: textOf(frozen) }) as Amounts;
        expect(unitsOf(amounts.available) + unitsOf(amounts.frozen)).toBe(quantity);
        expect(amounts.available).toMatch(/^\d+(\.\d+)?$/);
      }),
    );
  });

  it("refuses whatever sums up to more than the quantity, by however little", () => {
    fc.assert(
      fc.property(units, units, (available, frozen) => {
        const quantity = textOf(available + frozen - (available + frozen > 0n ? 1n : 0n));
        const amounts = completeAmounts({ quantity, available: textOf(available), frozen: textOf(frozen) });
        expect("member" in amounts).toBe(available + frozen > 0n);
      }),
    );
  });
});
