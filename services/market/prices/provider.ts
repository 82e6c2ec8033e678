import { z } from "zod";

/** What is longer is no id of a provider's. */
export const CoinId = z.string().regex(/^[\x21-\x7e]{1,100}$/);
/** Without what cannot be seen, and as long as our names may be. */
export const CoinName = z
  .string()
  .transform((name) => [...name.replace(/\p{C}/gu, "").trim()].slice(0, 120).join(""));
/** When the provider last looked, if it says so. */
export const LastUpdated = z.iso.datetime().nullish().catch(null);

/** A coin as a provider tells of it, its numbers as decimals without exponent. */
export interface ProviderCoin {
  /** The provider's own id: what a coin is known by. */
  readonly id: string;
  readonly symbol: string;
  readonly name: string;
  /** Its place among the largest, from 1; null for a coin that has none. */
  readonly rank: number | null;
  readonly price_usd: string;
  /** RFC 3339; null when the provider does not say. */
  readonly as_of: string | null;
  readonly market_cap_usd: string | null;
  readonly volume_24h_usd: string | null;
  readonly percent_change_24h: string | null;
}

/** Somebody who tells prices. */
export interface PriceProvider {
  readonly name: ProviderName;
  /** The coins that have a price, each id once; never none. @throws {ProviderError} */
  readonly fetch: (signal: AbortSignal) => Promise<ProviderCoin[]>;
}

/** Also the source of its prices. */
export type ProviderName = "coinpaprika" | "coingecko";

export type ProviderFault = "unavailable" | "timed_out" | "rate_limited" | "refused" | "unexpected_answer";

/** Why a provider told nothing: a sentence for administrators, without keys and without what the provider wrote. */
export class ProviderError extends Error {
  override readonly name = "ProviderError";
  readonly fault: ProviderFault;
  readonly retryAfterMs: number | undefined;

  constructor(fault: ProviderFault, message: string, retryAfterMs?: number) {
    super(message);
    this.fault = fault;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The first of each id: a provider that repeats itself is not heard twice. */
export function eachOnce(coins: readonly ProviderCoin[]): ProviderCoin[] {
  const byId = new Map<string, ProviderCoin>();
  for (const coin of coins) if (!byId.has(coin.id)) byId.set(coin.id, coin);
  return [...byId.values()];
}
