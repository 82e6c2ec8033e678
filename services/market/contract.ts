import { z } from "zod";
import { contract } from "../common/contract.ts";
import { Flag, Name, PageParams, pageOf, Time, text, Uuid, Version } from "../common/values.ts";
import { priceActions, priceEvents } from "./contract/prices.ts";
import { quoteActions } from "./contract/quotes.ts";

export { AssetReference, MAX_QUOTES, Quote } from "./contract/quotes.ts";

import { registryActions } from "./contract/registry.ts";

/*
 * Terms. *Asset*: a coin or token that has a price, known by our id; several may have one symbol. *Contract*: the
 * address by which a chain knows an asset. *Chain*: a network that assets live on, named by its `chain_id`
 * ("ethereum", no number); *native*: the coin that its fees are paid in. *Registry*: the chains, and the tokens on
 * them, that wallets are searched for. *Listed*: of all assets with one symbol, the well-known one that people mean by it;
 * a list that we keep, not a guess. *Price*: in US dollars, with who said so and when; *sample*: the source of the
 * prices that come with the installation, until there are real ones. *Stale*: older than prices should be.
 */

/** Longer URLs are no nodes'. */
const MAX_URL_LENGTH = 500;

const ChainId = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,49}$/,
    "must be 1 to 50 lower-case letters, digits, _ or -, beginning with a letter or a digit",
  )
  .meta({ description: "For example ethereum.", examples: ["ethereum"] });

const AssetSymbol = z
  .string()
  .regex(/^[^\s\p{C}]{1,30}$/u, "must be a symbol of 1 to 30 visible characters")
  .meta({ description: "For example ETH.", examples: ["ETH"] });

const EvmAddress = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, "must be an EVM address: 0x and 40 hexadecimal digits")
  .meta({
    description: "Mixed case is taken for its checksum (EIP-55), which is how it is answered.",
    examples: ["0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"],
  });

const SolanaAddress = z
  .string()
  .regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/, "must be a Solana address: 32 to 44 characters of base 58")
  .meta({ examples: ["EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"] });

const RpcUrl = z
  .string()
  .max(MAX_URL_LENGTH, `must have at most ${MAX_URL_LENGTH} characters`)
  .regex(/^https:\/\/[^\s\p{C}]+$/u, "must be a URL that starts with https://")
  .meta({
    description: "https, to a public host, without user name or password.",
    examples: ["https://ethereum-rpc.publicnode.com"],
  });

const registered = { is_active: z.boolean(), created_at: Time, updated_at: Time, version: Version };

/** A chain as its public list and other services have it. */
export const Chain = z.strictObject({ id: z.string(), name: z.string(), native_symbol: z.string() });
export type Chain = z.infer<typeof Chain>;

export const EvmChain = z.strictObject({
  id: Uuid,
  chain_id: ChainId,
  name: Name,
  rpc_url: z.string().optional().meta({ description: "The node that is asked; for administrators." }),
  native_symbol: z.string(),
  ...registered,
});
export type EvmChain = z.infer<typeof EvmChain>;

const evmToken = { id: Uuid, chain: z.string(), symbol: z.string(), contract_address: z.string() };
export const EvmToken = z.strictObject({ ...evmToken, ...registered });
export type EvmToken = z.infer<typeof EvmToken>;

const solanaToken = { id: Uuid, symbol: z.string(), mint_address: z.string() };
export const SolanaToken = z.strictObject({ ...solanaToken, ...registered });
export type SolanaToken = z.infer<typeof SolanaToken>;

/** The actions that the three registries have in common. */
function rowsAt<
  Row extends z.ZodType,
  Filters extends z.ZodRawShape,
  Members extends z.ZodRawShape,
  Changes extends z.ZodRawShape,
  const Missing extends string,
  const Refusals extends readonly string[],
>(
  path: `/v1/${string}`,
  row: string,
  of: {
    readonly result: Row;
    readonly filters: Filters;
    /** What a new row has beside `is_active`, what of it may change later, and why it may be refused. */
    readonly members: Members;
    readonly changes: Changes;
    readonly refusals: Refusals;
    readonly missing: Missing;
    readonly variesByCaller?: boolean;
  },
) {
  const { filters, members, changes, missing, refusals, variesByCaller = false } = of;
  const is_active = z.boolean();
  const shown = { result: of.result, variesByCaller } as const;
  const read = { scope: "market:read", http: `GET ${path}/{id}`, ...shown } as const;
  const write = {
    scope: "market:administer",
    ifMatch: true,
    problems: [missing, "PRECONDITION_FAILED"],
  } as const;
  const key = { id: Uuid, if_match: Version.optional() };
  return {
    list: {
      ...read,
      summary: `List each ${row}, oldest first.`,
      http: `GET ${path}`,
      params: z.strictObject({ ...PageParams, ...filters }),
      result: pageOf(of.result),
    },
    create: {
      summary: `Add one ${row} (administrators).`,
      scope: "market:administer",
      http: `POST ${path}`,
      status: 201,
      location: `${path}/{id}`,
      params: z.strictObject({ ...members, is_active: is_active.default(true) }),
      ...shown,
      problems: refusals,
    },
    get: { ...read, summary: `Get one ${row}.`, params: z.strictObject({ id: Uuid }), problems: [missing] },
    update: {
      ...write,
      summary: `Change members of one ${row}; those left out stay as they are (administrators).`,
      http: `PUT ${path}/{id}`,
      params: z.strictObject({ ...key, ...changes, is_active: is_active.optional() }),
      ...shown,
    },
    delete: {
      ...write,
      summary: `Delete one ${row} (administrators).`,
      http: `DELETE ${path}/{id}`,
      status: 204,
      params: z.strictObject(key),
      result: z.null(),
    },
  } as const;
}

const evmChains = rowsAt("/v1/evm-chains", "EVM chain", {
  result: EvmChain,
  filters: {},
  members: { chain_id: ChainId, name: Name, rpc_url: RpcUrl, native_symbol: AssetSymbol.default("ETH") },
  changes: { name: Name.optional(), rpc_url: RpcUrl.optional(), native_symbol: AssetSymbol.optional() },
  missing: "CHAIN_NOT_FOUND",
  refusals: ["ALREADY_REGISTERED"],
  // Only administrators are shown the node's URL.
  variesByCaller: true,
});
const evmTokens = rowsAt("/v1/evm-tokens", "registered EVM token", {
  result: EvmToken,
  filters: { chain: text(50).optional(), is_active: Flag.optional() },
  members: { chain: ChainId, symbol: AssetSymbol, contract_address: EvmAddress },
  changes: { symbol: AssetSymbol.optional() },
  missing: "REGISTERED_TOKEN_NOT_FOUND",
  refusals: ["ALREADY_REGISTERED", "UNKNOWN_CHAIN"],
});
const solanaTokens = rowsAt("/v1/solana-tokens", "registered Solana token", {
  result: SolanaToken,
  filters: { is_active: Flag.optional() },
  members: { symbol: AssetSymbol, mint_address: SolanaAddress },
  changes: { symbol: AssetSymbol.optional() },
  missing: "REGISTERED_TOKEN_NOT_FOUND",
  refusals: ["ALREADY_REGISTERED"],
});

export const market = contract(
  "market",
  {
    listChains: {
      summary: "List the chains that are in use.",
      scope: "public",
      http: "GET /v1/chains",
      params: z.strictObject({}),
      result: z.strictObject({ chains: z.array(Chain) }),
    },
    listEvmChains: evmChains.list,
    createEvmChain: evmChains.create,
    getEvmChain: evmChains.get,
    updateEvmChain: evmChains.update,
    deleteEvmChain: evmChains.delete,
    listEvmTokens: evmTokens.list,
    /** Before `getEvmToken`, because routes are tried in this order. */
    lookupContracts: {
      summary:
        "Find a coin's contracts on EVM chains; of several with one symbol, those of the coin known longest.",
      scope: "market:read",
      http: "GET /v1/evm-tokens/lookup-contracts",
      params: z.strictObject({ symbol: AssetSymbol }),
      result: z.strictObject({
        symbol: z.string(),
        coin_id: z.string(),
        coin_name: z.string(),
        contracts: z.array(z.strictObject({ chain: z.string(), contract_address: z.string() })),
      }),
      problems: ["ASSET_NOT_FOUND"],
    },
    syncEvmTokens: {
      summary: "Register every known contract on an EVM chain that is not registered yet (administrators).",
      scope: "market:administer",
      http: "POST /v1/evm-tokens/sync-from-contracts",
      params: z.strictObject({}),
      result: z.strictObject({ inserted: z.int(), skipped: z.int() }),
    },
    createEvmToken: evmTokens.create,
    getEvmToken: evmTokens.get,
    updateEvmToken: evmTokens.update,
    deleteEvmToken: evmTokens.delete,
    listSolanaTokens: solanaTokens.list,
    createSolanaToken: solanaTokens.create,
    getSolanaToken: solanaTokens.get,
    updateSolanaToken: solanaTokens.update,
    deleteSolanaToken: solanaTokens.delete,
    /** For other services: what an EVM wallet may be looked at on. */
    knownChains: {
      summary: "List the EVM chains of the registry, whether in use or not.",
      scope: "internal",
      repeatable: true,
      params: z.strictObject({}),
      result: z.array(Chain.extend({ is_active: z.boolean() })),
    },
    ...registryActions,
    ...quoteActions,
    ...priceActions,
  },
  { events: priceEvents },
);
