/** Part of migration 0002, so it never changes: what is to be different comes with a migration of its own. */
export interface SeedAsset {
  /** By which the other seeds name it. */
  readonly key: string;
  readonly symbol: string;
  readonly name: string;
  readonly asset_type: "cryptocurrency" | "stablecoin";
  /** CoinPaprika's and CoinGecko's ids; null where they are left for the first fetch to find. */
  readonly coinpaprika_id: string | null;
  readonly coingecko_id: string | null;
  readonly decimals: number;
  /** A round figure, so that an installation without a network shows something. */
  readonly sample_price_usd: string;
}

type Ids = readonly [coinpaprika: string | null, coingecko: string | null];

function coin(
  symbol: string,
  name: string,
  [coinpaprika_id, coingecko_id]: Ids,
  decimals: number,
  price: string,
) {
  return {
    key: symbol,
    symbol,
    name,
    asset_type: "cryptocurrency",
    coinpaprika_id,
    coingecko_id,
    decimals,
    sample_price_usd: price,
  } satisfies SeedAsset;
}

function stablecoin(symbol: string, name: string, ids: Ids, decimals: number) {
  return { ...coin(symbol, name, ids, decimals, "1"), asset_type: "stablecoin" } satisfies SeedAsset;
}

const coins: readonly SeedAsset[] = [
  coin("BTC", "Bitcoin", ["btc-bitcoin", "bitcoin"], 8, "100000"),
  coin("ETH", "Ethereum", ["eth-ethereum", "ethereum"], 18, "3500"),
  coin("BNB", "BNB", ["bnb-binance-coin", "binancecoin"], 18, "700"),
  coin("SOL", "Solana", ["sol-solana", "solana"], 9, "180"),
  coin("XRP", "XRP", ["xrp-xrp", "ripple"], 6, "2.2"),
  coin("ADA", "Cardano", ["ada-cardano", "cardano"], 6, "0.8"),
  coin("DOGE", "Dogecoin", ["doge-dogecoin", "dogecoin"], 8, "0.2"),
  coin("DOT", "Polkadot", ["dot-polkadot", "polkadot"], 10, "5"),
  coin("LTC", "Litecoin", ["ltc-litecoin", "litecoin"], 8, "100"),
  coin("AVAX", "Avalanche", ["avax-avalanche", "avalanche-2"], 18, "30"),
  coin("TRX", "TRON", ["trx-tron", "tron"], 6, "0.25"),
  coin("HYPE", "Hyperliquid", [null, "hyperliquid"], 18, "35"),
  coin("MNT", "Mantle", [null, "mantle"], 18, "1"),
];

const stablecoins: readonly SeedAsset[] = [
  stablecoin("USDT", "Tether", ["usdt-tether", "tether"], 6),
  stablecoin("USDC", "USD Coin", ["usdc-usd-coin", "usd-coin"], 6),
  stablecoin("DAI", "Dai", ["dai-dai", "dai"], 18),
  stablecoin("USDe", "Ethena USDe", [null, "ethena-usde"], 18),
  stablecoin("FRAX", "Frax", [null, "frax"], 18),
  stablecoin("USDbC", "USD Base Coin", [null, "bridged-usd-coin-base"], 6),
  // Bridged before Circle came to these chains: coins of their own, which only their bridges redeem.
  { ...stablecoin("USDC.e", "Bridged USDC (Arbitrum)", [null, null], 6), key: "USDC.e arbitrum" },
  { ...stablecoin("USDC.e", "Bridged USDC (Optimism)", [null, null], 6), key: "USDC.e optimism" },
];

const wrapped: readonly SeedAsset[] = [
  coin("WETH", "Wrapped Ether", ["weth-weth", "weth"], 18, "3500"),
  coin("WBTC", "Wrapped Bitcoin", ["wbtc-wrapped-bitcoin", "wrapped-bitcoin"], 8, "100000"),
  coin("cbBTC", "Coinbase Wrapped BTC", [null, "coinbase-wrapped-btc"], 8, "100000"),
  coin("BTCB", "BTCB Token", [null, null], 18, "100000"),
  coin("WBNB", "Wrapped BNB", [null, "wbnb"], 18, "700"),
  coin("WHYPE", "Wrapped HYPE", [null, "wrapped-hype"], 18, "35"),
  coin("stETH", "Lido Staked Ether", [null, "staked-ether"], 18, "3500"),
  coin("wstETH", "Wrapped stETH", [null, "wrapped-steth"], 18, "4200"),
  coin("rETH", "Rocket Pool ETH", [null, "rocket-pool-eth"], 18, "4000"),
  coin("cbETH", "Coinbase Wrapped Staked ETH", [null, "coinbase-wrapped-staked-eth"], 18, "3800"),
];

const tokens: readonly SeedAsset[] = [
  coin("LINK", "Chainlink", ["link-chainlink", "chainlink"], 18, "15"),
  coin("UNI", "Uniswap", ["uni-uniswap", "uniswap"], 18, "8"),
  coin("AAVE", "Aave", ["aave-new", "aave"], 18, "200"),
  coin("MKR", "Maker", ["mkr-maker", "maker"], 18, "1500"),
  coin("LDO", "Lido DAO", ["ldo-lido-dao", "lido-dao"], 18, "1"),
  coin("CRV", "Curve DAO Token", ["crv-curve-dao-token", "curve-dao-token"], 18, "0.6"),
  coin("SNX", "Synthetix", [null, "havven"], 18, "1"),
  coin("COMP", "Compound", [null, "compound-governance-token"], 18, "50"),
  coin("ENS", "Ethereum Name Service", [null, "ethereum-name-service"], 18, "20"),
  coin("GRT", "The Graph", ["grt-the-graph", "the-graph"], 18, "0.1"),
  coin("SHIB", "Shiba Inu", ["shib-shiba-inu", "shiba-inu"], 18, "0.000012"),
  coin("PEPE", "Pepe", ["pepe-pepe", "pepe"], 18, "0.00001"),
  coin("POL", "Polygon", [null, "polygon-ecosystem-token"], 18, "0.3"),
  coin("ARB", "Arbitrum", ["arb-arbitrum", "arbitrum"], 18, "0.4"),
  coin("OP", "Optimism", ["op-optimism", "optimism"], 18, "0.8"),
  coin("GMX", "GMX", ["gmx-gmx", "gmx"], 18, "15"),
  coin("MAGIC", "Treasure", [null, "magic"], 18, "0.2"),
  coin("PENDLE", "Pendle", [null, "pendle"], 18, "4"),
  // Not Velo, another coin that is called VELO.
  coin("VELO", "Velodrome Finance", [null, "velodrome-finance"], 18, "0.05"),
  coin("WLD", "Worldcoin", [null, "worldcoin-wld"], 18, "1"),
  coin("CAKE", "PancakeSwap", ["cake-pancakeswap", "pancakeswap-token"], 18, "2.5"),
  coin("AERO", "Aerodrome Finance", [null, "aerodrome-finance"], 18, "0.8"),
  coin("mSOL", "Marinade Staked SOL", [null, "msol"], 9, "230"),
  coin("stSOL", "Lido Staked SOL", [null, "lido-staked-sol"], 9, "220"),
  coin("JitoSOL", "Jito Staked SOL", [null, "jito-staked-sol"], 9, "220"),
  coin("RAY", "Raydium", ["ray-raydium", "raydium"], 6, "2"),
  coin("JUP", "Jupiter", [null, "jupiter-exchange-solana"], 6, "0.5"),
  coin("PYTH", "Pyth Network", [null, "pyth-network"], 6, "0.15"),
  coin("JTO", "Jito", [null, "jito-governance-token"], 9, "2"),
  coin("BONK", "Bonk", ["bonk-bonk", "bonk"], 5, "0.00002"),
  coin("WIF", "dogwifhat", [null, "dogwifcoin"], 6, "0.8"),
];

/** Their ids follow their order. */
export const seedAssets: readonly SeedAsset[] = [...coins, ...stablecoins, ...wrapped, ...tokens];
