/** Part of migration 0002, so it never changes: what is to be different comes with a migration of its own. */
export interface SeedChain {
  readonly chain_id: string;
  readonly family: "evm" | "solana" | "bitcoin";
  readonly name: string;
  readonly evm_number: number | null;
  readonly native_symbol: string;
  /** Public nodes, for a start; administrators put their own here. */
  readonly rpc_url: string | null;
}

const evm = (
  chain_id: string,
  name: string,
  evm_number: number,
  native_symbol: string,
  rpc_url: string,
): SeedChain => ({ chain_id, family: "evm", name, evm_number, native_symbol, rpc_url });

/** In the order in which clients list them. */
export const seedChains: readonly SeedChain[] = [
  evm("ethereum", "Ethereum", 1, "ETH", "https://ethereum.reth.rs/rpc"),
  evm("arbitrum", "Arbitrum", 42161, "ETH", "https://arb1.arbitrum.io/rpc"),
  evm("optimism", "Optimism", 10, "ETH", "https://mainnet.optimism.io"),
  evm("base", "Base", 8453, "ETH", "https://mainnet.base.org"),
  evm("bsc", "BNB Smart Chain", 56, "BNB", "https://56.rpc.thirdweb.com"),
  evm("hyper_liquid", "Hyper Liquid", 999, "HYPE", "https://rpc.hyperliquid.xyz/evm"),
  evm("mantle", "Mantle", 5000, "MNT", "https://rpc.mantle.xyz"),
  {
    chain_id: "solana",
    family: "solana",
    name: "Solana",
    evm_number: null,
    native_symbol: "SOL",
    rpc_url: null,
  },
  {
    chain_id: "bitcoin",
    family: "bitcoin",
    name: "Bitcoin",
    evm_number: null,
    native_symbol: "BTC",
    rpc_url: null,
  },
];
