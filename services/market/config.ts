import { type Environment, positiveInteger, readSettings, variable } from "../common/config.ts";

export const marketVariables = {
  maxPriceAgeSeconds: variable(
    "PRICE_MAX_AGE_SECS",
    positiveInteger(3_600, 31_536_000),
    "A price that is older is still answered, marked as stale.",
  ),
} as const;

export interface MarketConfig {
  readonly maxPriceAgeSeconds: number;
}

/** @throws {ConfigurationError} naming each wrong variable. */
export function readMarketConfig(environment: Environment): MarketConfig {
  return readSettings(marketVariables, environment);
}
