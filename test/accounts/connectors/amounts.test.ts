import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { amountOf, unitsOf } from "../../../services/accounts/connectors/amounts.ts";
import { assetKeys } from "../../../services/accounts/connectors/asset-keys.ts";

describe("unitsOf", () => {
  it.each([
    [0n, 18, "0"],
    [1n, 18, "0.000000000000000001"],
    [10n ** 18n, 18, "1"],
    [1_230_000n, 6, "1.23"],
    [5n, 0, "5"],
  ])("%s units with %s decimals are %s", (units, decimals, expected) => {
    expect(unitsOf(units, decimals)).toBe(expected);
  });

  it("loses nothing of any number", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
        fc.integer({ min: 0, max: 77 }),
        (units, decimals) => {
          const text = unitsOf(units, decimals);
          expect(text).toMatch(/^(0|[1-9]\d*)(\.\d*[1-9])?$/);
          const [whole = "", part = ""] = text.split(".");
          expect(BigInt(`${whole}${part.padEnd(decimals, "0")}`)).toBe(units);
        },
      ),
    );
  });
});

describe("amountOf", () => {
  it.each([
    ["1.10", "1.1"],
    ["1e-18", "0.000000000000000001"],
    ["1E30", `1${"0".repeat(30)}`],
    ["-0.5", "-0.5"],
    [".5", "0.5"],
    ["0", "0"],
  ])("reads %s", (text, expected) => {
    expect(amountOf(text)?.toFixed()).toBe(expected);
  });

  it.each(["", " ", "1,5", "NaN", "Infinity", "0x10", "1e999", "1e-101", "1".repeat(121), "1.2.3"])(
    "does not read %j",
    (text) => {
      expect(amountOf(text)).toBeUndefined();
    },
  );
});

describe("assetKeys", () => {
  it("gives each asset another key, whatever they are called", () => {
    const contract = fc.stringMatching(/^0x[0-9a-f]{40}$/);
    const symbol = fc.constantFrom("A", "B", "A.12345678");
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.record({ symbol, contract }), {
          selector: (asset) => asset.contract,
          maxLength: 30,
        }),
        (assets) => {
          const keys = assetKeys("base", [{ symbol: "A", contract: undefined }, ...assets]);
          expect(new Set(keys).size).toBe(assets.length + 1);
          expect(keys[0]).toBe("A-base");
          expect(keys.filter((key) => !/^[^\s]{1,81}$/.test(key))).toEqual([]);
        },
      ),
    );
  });

  it("takes more of contracts that begin alike", () => {
    const contracts = ["0x11111111aaaa", "0x11111111bbbb", "0x11111111cccc"];
    expect(
      assetKeys(
        "base",
        contracts.map((contract) => ({ symbol: "A", contract })),
      ),
    ).toEqual(["A-base", "A.11111111-base", "A.11111111cccc-base"]);
  });
});
