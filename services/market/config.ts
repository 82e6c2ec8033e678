import {
  ConfigurationError,
  cronSchedule,
  type Environment,
  flag,
  positiveInteger,
  readSettings,
  text,
  url,
  variable,
} from "../common/config.ts";

/** CoinPaprika's host without a key; it takes none. */
const COINPAPRIKA_FREE_URL = "https://api.coinpaprika.com/v1";
const COINPAPRIKA_PRO_URL = "https://api-pro.coinpaprika.com/v1";
const COINGECKO_URL = "https://api.coingecko.com/api/v3";
/** The host whose keys go into a header of another name. */
const COINGECKO_PRO_HOST = "pro-api.coingecko.com";

export const marketVariables = {
  maxPriceAgeSeconds: variable(
    "PRICE_MAX_AGE_SECS",
    positiveInteger(3_600, 31_536_000),
    "A price that is older is still answered, marked as stale.",
  ),
  priceHistoryDays: variable(
    "PRICE_HISTORY_DAYS",
    positiveInteger(400, 36_500),
    "Prices of so many days are kept: each one for 30 days, then the last one of each day.",
  ),
  isFetchEnabled: variable(
    "FETCH_ALL_COINS_ENABLED",
    flag(true),
    "Whether prices are fetched on schedule (and once at first).",
  ),
  fetchCron: variable(
    "FETCH_ALL_COINS_SCHEDULE",
    cronSchedule("0 */15 * * * *"),
    "When prices are fetched: six fields, seconds first, UTC.",
  ),
  coinPaprikaUrl: variable(
    "COINPAPRIKA_URL",
    url("https", "http").optional(),
    `CoinPaprika's API, asked first; unless set, \`${COINPAPRIKA_PRO_URL}\` with a key and \`${COINPAPRIKA_FREE_URL}\` without.`,
  ),
  coinPaprikaKey: variable("COINPAPRIKA_API_KEY", text(), "Key of CoinPaprika's paid plans.", {
    secret: true,
  }),
  coinGeckoUrl: variable(
    "COINGECKO_URL",
    url("https", "http").default(COINGECKO_URL),
    `CoinGecko's API, asked for what CoinPaprika does not tell; \`https://${COINGECKO_PRO_HOST}/api/v3\` for keys of paid plans.`,
  ),
  coinGeckoKey: variable("COINGECKO_API_KEY", text(), "Key of CoinGecko's demo plan, or of its paid plans.", {
    secret: true,
  }),
} as const;

/** Where a provider is, and the headers with its key. */
export interface ProviderConfig {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface MarketConfig {
  readonly maxPriceAgeSeconds: number;
  readonly priceHistoryDays: number;
  readonly isFetchEnabled: boolean;
  /** Five fields. */
  readonly fetchCron: string;
  readonly coinPaprika: ProviderConfig;
  readonly coinGecko: ProviderConfig;
}

/** @throws {ConfigurationError} naming each wrong variable. */
export function readMarketConfig(environment: Environment): MarketConfig {
  const { coinPaprikaUrl, coinPaprikaKey, coinGeckoUrl, coinGeckoKey, ...settings } = readSettings(
    marketVariables,
    environment,
  );
  return Object.freeze({
    ...settings,
    coinPaprika: coinPaprikaOf(coinPaprikaUrl, coinPaprikaKey),
    coinGecko: coinGeckoOf(coinGeckoUrl, coinGeckoKey),
  });
}

function coinPaprikaOf(url: string | undefined, key: string | undefined): ProviderConfig {
  if (!key) return { url: withoutSlash(url ?? COINPAPRIKA_FREE_URL), headers: {} };
  if (url && new URL(url).host === new URL(COINPAPRIKA_FREE_URL).host) {
    throw new ConfigurationError(
      `COINPAPRIKA_URL is CoinPaprika's host for those without a key, but COINPAPRIKA_API_KEY is set: leave one of them out.`,
    );
  }
  return { url: withoutSlash(url ?? COINPAPRIKA_PRO_URL), headers: { Authorization: key } };
}

function coinGeckoOf(url: string, key: string | undefined): ProviderConfig {
  const header = new URL(url).host === COINGECKO_PRO_HOST ? "x-cg-pro-api-key" : "x-cg-demo-api-key";
  return { url: withoutSlash(url), headers: key ? { [header]: key } : {} };
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, "");
}
