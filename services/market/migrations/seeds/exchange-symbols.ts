/**
 * What exchanges call the assets. Here they all use the asset's own symbol, but that is to be said for each: another
 * coin may have it there, as VELO, which on exchanges is Velo and not Velodrome. Part of migration 0002, so it never changes.
 */
const major = [
  ...["BTC", "ETH", "USDT", "USDC", "SOL", "XRP", "ADA", "DOGE", "DOT", "LTC", "AVAX"],
  ...["LINK", "UNI", "AAVE", "CRV", "LDO", "ARB", "OP", "SHIB", "PEPE", "GRT", "COMP", "ENS"],
];
const more = ["TRX", "SNX", "POL", "PENDLE", "WLD", "JUP", "PYTH", "JTO", "BONK", "WIF", "RAY"];

/** Exchange → symbols, which are also the keys of their assets. */
export const seedExchangeSymbols: Readonly<Record<string, readonly string[]>> = {
  okx: [...major, ...more, "BNB", "GMX", "MAGIC", "DAI"],
  binance: [...major, ...more, "BNB", "GMX", "MAGIC", "CAKE", "DAI"],
  bybit: [...major, ...more, "BNB", "GMX", "MAGIC", "CAKE", "MNT", "DAI"],
  kucoin: [...major, ...more, "BNB", "GMX", "DAI"],
  kraken: [...major, ...more, "DAI"],
  coinbase: [...major, "SNX", "POL", "BONK", "WIF", "DAI"],
};
