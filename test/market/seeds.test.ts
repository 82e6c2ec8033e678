import { describe, expect, it } from "@jest/globals";
import { isAddress as isSolanaAddress } from "@solana/addresses";
import { arbitrum, base, bsc, hyperEvm, mainnet, mantle, optimism } from "viem/chains";
import { getAddress } from "viem/utils";
import { seedAssets } from "../../services/market/migrations/seeds/assets.ts";
import { seedChains } from "../../services/market/migrations/seeds/chains.ts";
import { seedEvmTokens, seedOtherContracts } from "../../services/market/migrations/seeds/evm-tokens.ts";
import { seedExchangeSymbols } from "../../services/market/migrations/seeds/exchange-symbols.ts";
import { seedSolanaTokens } from "../../services/market/migrations/seeds/solana-tokens.ts";
import { checkedRpcUrl } from "../../services/market/public-url.ts";

const contracts = [...seedEvmTokens, ...seedOtherContracts];
const keys = seedAssets.map(({ key }) => key);

describe("the seeds of the market", () => {
  it("have as many tokens per chain as existing clients know", () => {
    const perChain = Object.groupBy(seedEvmTokens, ([chain]) => chain);
    expect(
      Object.fromEntries(Object.entries(perChain).map(([chain, list]) => [chain, list?.length])),
    ).toEqual({ ethereum: 22, arbitrum: 15, optimism: 15, bsc: 13, base: 9, hyper_liquid: 1 });
    expect(seedSolanaTokens).toHaveLength(11);
  });

  it("have EVM addresses with their checksums, each once per chain", () => {
    for (const [, , address] of contracts) expect(getAddress(address)).toBe(address);
    const places = contracts.map(([chain, , address]) => `${chain} ${address.toLowerCase()}`);
    expect(new Set(places).size).toBe(contracts.length);
  });

  it("have Solana mints of 32 bytes, each once", () => {
    for (const [, , mint] of seedSolanaTokens) expect(isSolanaAddress(mint)).toBe(true);
    expect(new Set(seedSolanaTokens.map(([, , mint]) => mint)).size).toBe(seedSolanaTokens.length);
  });

  it("name each asset once, and only assets that there are", () => {
    expect(new Set(keys).size).toBe(keys.length);
    const named = [...contracts, ...seedSolanaTokens].map(([, asset]) => asset);
    named.push(
      ...Object.values(seedExchangeSymbols).flat(),
      ...seedChains.map((chain) => chain.native_symbol),
    );
    expect(named.filter((asset) => !keys.includes(asset))).toEqual([]);
  });

  it("number the EVM chains and name their coins as the chains do", () => {
    const evm = seedChains.filter(({ family }) => family === "evm");
    expect(evm.map(({ evm_number, native_symbol }) => [evm_number, native_symbol])).toEqual(
      [mainnet, arbitrum, optimism, base, bsc, hyperEvm, mantle].map(({ id, nativeCurrency }) => [
        id,
        nativeCurrency.symbol,
      ]),
    );
    for (const { rpc_url } of evm) expect(checkedRpcUrl(rpc_url as string)).toBe(rpc_url);
  });
});
