/** The exchanges of EXCHANGES that this version of ccxt knows. */
// biome-ignore format: one name a line would fill the page.
export const SUPPORTED_EXCHANGES = [
  "okx", "binance", "binanceus", "bitfinex", "bitget", "bitstamp", "bitvavo", "bybit", "coinbase", "cryptocom",
  "deribit", "gate", "gemini", "htx", "kraken", "kucoin", "mexc", "upbit", "woo",
] as const;
export type SupportedExchange = (typeof SUPPORTED_EXCHANGES)[number];
