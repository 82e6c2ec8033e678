import { describe, expect, it } from "@jest/globals";
import { contractKey } from "../../../services/market/domain/contract-key.ts";
import { isStale } from "../../../services/market/domain/staleness.ts";

describe("contractKey", () => {
  it.each([
    ["0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"],
    ["0XA0B86991C6218B36C1D19D4A2E9EB0CE3606EB48", "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"],
    ["EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"],
    ["0xA0b8", "0xA0b8"],
  ])("of %s is %s: only the case of EVM addresses means nothing", (address, key) => {
    expect(contractKey(address)).toBe(key);
  });
});

describe("isStale", () => {
  it.each([
    ["2026-01-31T09:00:00.000Z", false],
    ["2026-01-31T08:59:59.999Z", true],
    ["2026-01-31T10:00:00.001Z", false],
  ])("of a price of %s, at 10:00 with an hour allowed, is %s", (asOf, stale) => {
    expect(isStale(asOf, "2026-01-31T10:00:00.000Z", 3600)).toBe(stale);
  });
});
