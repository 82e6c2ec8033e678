import type { Call } from "../../common/contract.ts";
import type { market } from "../../market/contract.ts";
import type { ReadRequest } from "../connectors/connector.ts";

type Registry = ReadRequest["registry"];

/** Tokens come in pages of some thousands; more pages than this are not looked at. */
const MAX_PAGES = 10;

export const EMPTY_REGISTRY: Registry = { chains: [], evm_tokens: [], solana_tokens: [] };

/** All that wallets are searched for, as the market service has it now. */
export async function readRegistry(call: Call<typeof market>): Promise<Registry> {
  const first = await call("market.registry", {});
  const pages = [first];
  let after = first.next_after;
  while (after !== undefined && pages.length < MAX_PAGES) {
    const page = await call("market.registry", { after });
    pages.push(page);
    after = page.next_after;
  }
  return {
    chains: first.chains,
    evm_tokens: pages.flatMap(({ evm_tokens }) => evm_tokens),
    solana_tokens: pages.flatMap(({ solana_tokens }) => solana_tokens),
  };
}
