import type { HeldAccount } from "../accounts/contract.ts";
import { isStorable } from "../common/values.ts";
import type { AssetReference } from "../market/contract.ts";

type Held = HeldAccount["holdings"][number];

/** What nobody lists under these lengths is nothing that the market could know. */
const MAX_NAME_LENGTH = 50;
const MAX_CONTRACT_LENGTH = 100;

/**
 * How the market knows what an account holds: a token by its contract, a chain's own coin by its chain, an exchange's by
 * the exchange's code, and what is kept by hand by the symbol that it is listed under. Undefined for what no market knows.
 */
export function referenceTo(
  { account_type, exchange_name }: Pick<HeldAccount, "account_type" | "exchange_name">,
  { symbol, chain, contract }: Pick<Held, "symbol" | "chain" | "contract">,
): AssetReference | undefined {
  if (account_type === "manual") return listed(symbol);
  if (chain === undefined) {
    return exchange_name !== null && isName(symbol) ? { exchange: exchange_name, symbol } : undefined;
  }
  if (contract === undefined) return { chain, native: true };
  return isName(contract, MAX_CONTRACT_LENGTH) ? { chain, contract } : undefined;
}

/** The asset that is listed under a symbol, if it can be one. */
export function listed(symbol: string): AssetReference | undefined {
  return isName(symbol) ? { listed: symbol } : undefined;
}

function isName(text: string, maximum = MAX_NAME_LENGTH): boolean {
  return text.length > 0 && text.length <= maximum && isStorable(text);
}

/** The reference as a text, the same for the same asset. */
export function textOf(reference: AssetReference): string {
  return JSON.stringify(reference);
}
