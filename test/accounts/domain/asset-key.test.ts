import { describe, expect, it } from "@jest/globals";
import { mayNameChain, namedAsset } from "../../../services/accounts/domain/asset-key.ts";

const CHAINS = ["base", "super-base", "solana", "hyper_liquid"];

describe("namedAsset", () => {
  it.each([
    ["ETH-base", "ETH", "base"],
    ["HYPE-hyper_liquid", "HYPE", "hyper_liquid"],
    ["STETH-2-base", "STETH-2", "base"],
    ["ETH-super-base", "ETH", "super-base"],
    ["ETH", "ETH", undefined],
    ["STETH-2", "STETH-2", undefined],
    ["ETH-BASE", "ETH-BASE", undefined],
    ["-base", "-base", undefined],
    ["base", "base", undefined],
    ["ETHbase", "ETHbase", undefined],
  ])("takes %s for %s on %s", (key, symbol, chain) => {
    expect(namedAsset(key, CHAINS)).toEqual({ symbol, chain });
    if (chain !== undefined) expect(mayNameChain(key)).toBe(true);
  });
});
