import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { decimal, plain, sum } from "../../../services/portfolios/domain/decimals.ts";
import { driftOf } from "../../../services/portfolios/domain/drift.ts";
import { positionsOf } from "../../../services/portfolios/domain/positions.ts";
import { commonQuantities } from "./arbitraries.ts";
import { type Held, kinds, positionsFor, pricesOf, rowsOf } from "./rebalancing-input.ts";

const usd = (asset: string, value: string): Held => ({ asset, quantity: value, price: "1" });

function driftFor(
  held: readonly Held[],
  targets: Readonly<Record<string, number>>,
  guardrails: Parameters<typeof driftOf>[1] = {},
) {
  return driftOf(positionsFor(held, targets), guardrails, kinds);
}

describe("driftOf", () => {
  it("gives each asset's target, weight, difference, band and breach, largest first", () => {
    const drift = driftFor([usd("BTC", "70"), usd("ETH", "20"), usd("DOGE", "10")], {
      BTC: 60,
      ETH: 36,
      SOL: 4,
    });
    expect(
      drift.assets.map(({ asset, target_pct, current_pct, difference_pct, breached, targeted }) => [
        asset,
        target_pct,
        current_pct,
        difference_pct,
        breached,
        targeted,
      ]),
    ).toEqual([
      ["ETH", "36", "20", "-16", true, true],
      ["BTC", "60", "70", "10", true, true],
      ["DOGE", "0", "10", "10", true, false],
      ["SOL", "4", "0", "-4", false, true],
    ]);
    expect(drift.assets[0]?.band_pct).toBe("5");
    expect(drift).toMatchObject({ total_value_usd: "100", breached: true, incomplete: false, reason: null });
  });

  it.each([
    ["65", "35", false],
    ["65.0000000000000000000000000001", "34.9999999999999999999999999999", true],
    ["55", "45", false],
    ["54.9999999999999999999999999999", "45.0000000000000000000000000001", true],
  ])("breaches a band of 5 around 60 strictly beyond it: %s of 100", (btc, eth, breached) => {
    expect(driftFor([usd("BTC", btc), usd("ETH", eth)], { BTC: 60, ETH: 40 }).breached).toBe(breached);
  });

  it("takes a target for its share of all, where they do not add up to exactly 100", () => {
    const thirds = { BTC: 33.33, ETH: 33.33, SOL: 33.33 };
    const drift = driftFor([usd("BTC", "1"), usd("ETH", "1"), usd("SOL", "1")], thirds, { drift_band: 0 });
    expect(drift.breached).toBe(false);
    expect(drift.assets.map(({ difference_pct }) => difference_pct)).toEqual(["0", "0", "0"]);
  });

  it.each([
    ["stablecoin_min", { stablecoin_min: 20 }, "10", true],
    ["stablecoin_min", { stablecoin_min: 10 }, "10", false],
    ["futures_cap", { futures_cap: 10 }, "20", true],
    ["futures_cap", { futures_cap: 20 }, "20", false],
    ["max_alt_cap", { max_alt_cap: 25 }, "30", true],
    ["max_alt_cap", { max_alt_cap: 30 }, "30", false],
  ])("says of %s under %j: %s %%, breached: %s", (guardrail, guardrails, current_pct, breached) => {
    const held = [usd("BTC", "40"), usd("USDC", "10"), usd("BTC-PERP", "20"), usd("SOL", "30")];
    const targets = { BTC: 40, USDC: 10, "BTC-PERP": 20, SOL: 30 };
    const drift = driftFor(held, targets, guardrails);
    expect(drift.guardrails.find((state) => state.guardrail === guardrail)).toMatchObject({
      current_pct,
      breached,
    });
    expect(drift.breached).toBe(breached);
  });

  it("has the state of all four guardrails, with what clients show where none is set", () => {
    expect(driftFor([usd("BTC", "1")], { BTC: 100 }).guardrails).toEqual([
      { guardrail: "drift_band", limit_pct: "5", current_pct: "0", breached: false },
      { guardrail: "stablecoin_min", limit_pct: "0", current_pct: "0", breached: false },
      { guardrail: "futures_cap", limit_pct: "100", current_pct: "0", breached: false },
      { guardrail: "max_alt_cap", limit_pct: "100", current_pct: "0", breached: false },
    ]);
  });

  it("gives no weights, but the reason, where nothing has a value or a target", () => {
    const empty = driftFor([], { BTC: 100 });
    expect(empty).toMatchObject({ reason: "no_value", breached: false, total_value_usd: "0" });
    expect(empty.assets[0]).toMatchObject({ current_pct: null, difference_pct: null, breached: false });
    expect(driftFor([usd("BTC", "1")], {})).toMatchObject({ reason: "no_targets", breached: false });
  });

  it("counts what has no price for nothing, and says that the result is incomplete", () => {
    const drift = driftFor([usd("BTC", "100"), { asset: "NEW", quantity: "5" }], { BTC: 50, NEW: 50 });
    expect(drift).toMatchObject({ incomplete: true, total_value_usd: "100" });
    expect(drift.assets.find(({ asset }) => asset === "NEW")).toMatchObject({
      unpriced: true,
      current_pct: "0",
    });
  });

  it("has differences that add up to exactly 0", () => {
    fc.assert(
      fc.property(fc.tuple(commonQuantities, commonQuantities, commonQuantities), ([one, two, three]) => {
        const drift = driftFor([usd("BTC", one), usd("ETH", two), usd("SOL", three)], { BTC: 50, SOL: 50 });
        fc.pre(drift.reason === null);
        expect(plain(sum(drift.assets.map(({ difference_pct }) => decimal(difference_pct ?? ""))))).toBe("0");
      }),
    );
  });
});

describe("positionsOf", () => {
  const held = [usd("ETH", "1")];

  it("means by a symbol without id the one asset of that symbol that is held", () => {
    const [position, ...others] = positionsOf(
      rowsOf(held),
      [{ asset: "ETH", target_pct: 100 }],
      pricesOf(held),
    );
    expect(others).toEqual([]);
    expect(position).toMatchObject({ key: "ETH", targeted: true });
  });

  it("means none of several: two coins with one symbol never mix", () => {
    const fake = { ...rowsOf(held)[0], asset: "ETH", asset_id: "fake" } as ReturnType<typeof rowsOf>[number];
    const real = { ...fake, asset_id: "real" };
    const positions = positionsOf([fake, real], [{ asset: "ETH", target_pct: 100 }], new Map());
    expect(positions.map(({ key, targeted }) => [key, targeted])).toEqual([
      ["ETH", true],
      ["fake", false],
      ["real", false],
    ]);
  });

  it("has no more available than there is", () => {
    const [position] = positionsFor([{ asset: "ETH", quantity: "1", available: "2", price: "1" }], {});
    expect(position && plain(position.available)).toBe("1");
  });

  it("adds up an asset over its chains", () => {
    const [row] = rowsOf(held) as [ReturnType<typeof rowsOf>[number]];
    const positions = positionsOf(
      [
        { ...row, chain: "base" },
        { ...row, chain: "ethereum" },
      ],
      [],
      pricesOf(held),
    );
    expect(positions.map(({ quantity, available }) => [plain(quantity), plain(available)])).toEqual([
      ["2", "2"],
    ]);
  });
});
