import { z } from "zod";
import type { ActionEntries } from "../../common/contract.ts";
import { Uuid } from "../../common/values.ts";

/** What wallets are searched for: the active EVM chains, and a page of the active tokens on them and on Solana. */
export const Registry = z.strictObject({
  chains: z.array(
    z.strictObject({
      id: z.string(),
      rpc_url: z.string(),
      native_symbol: z.string(),
      evm_number: z.int().optional(),
    }),
  ),
  evm_tokens: z.array(
    z.strictObject({ chain: z.string(), symbol: z.string(), contract_address: z.string() }),
  ),
  solana_tokens: z.array(z.strictObject({ symbol: z.string(), mint_address: z.string() })),
  next_after: Uuid.optional().meta({ description: "There are more tokens, after this one." }),
});
export type Registry = z.infer<typeof Registry>;

export const registryActions = {
  /** For other services: a node's URL may hold a key, so it goes no further than to who asks the node. */
  registry: {
    summary: "Tell what wallets are searched for: active chains with their nodes, and a page of tokens.",
    scope: "internal",
    repeatable: true,
    params: z.strictObject({ after: Uuid.optional() }),
    result: Registry,
  },
} as const satisfies ActionEntries;
