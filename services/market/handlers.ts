import type { ConnectionPool } from "../common/database/pool.ts";
import type { Handlers } from "../common/implement.ts";
import { ADMINISTRATOR, type Principal } from "../common/principal.ts";
import { chainList } from "./chains.ts";
import type { MarketConfig } from "./config.ts";
import type { EvmChain, market } from "./contract.ts";
import { lookupContracts, registerContracts } from "./contracts.ts";
import type { Prices } from "./prices/open-prices.ts";
import { quoteReads } from "./quotes.ts";
import { chainRegistry, evmTokenRegistry, solanaTokenRegistry } from "./registries.ts";
import { registryReads } from "./registry-reads.ts";

/** The handlers of all the service's actions. */
export function handlersOf(
  pool: ConnectionPool,
  config: MarketConfig,
  prices: Prices,
): Handlers<typeof market, never> {
  const listChains = chainList(pool);
  const readRegistry = registryReads(pool);
  const quotes = quoteReads(pool, config.maxPriceAgeSeconds);
  const chains = chainRegistry(pool);
  const evmTokens = evmTokenRegistry(pool);
  const solanaTokens = solanaTokenRegistry(pool);

  return {
    async listChains() {
      const active = (await listChains()).filter(({ is_active }) => is_active);
      return { chains: active.map(({ id, name, native_symbol }) => ({ id, name, native_symbol })) };
    },

    async listEvmChains({ params, principal }) {
      const { items, ...page } = await chains.list(params);
      return { items: items.map((chain) => visibleTo(principal, chain)), ...page };
    },
    async getEvmChain({ params: { id }, principal }) {
      return visibleTo(principal, await chains.get(id));
    },
    createEvmChain: ({ params, once }) => once((db) => chains.create(db, params)),
    updateEvmChain: ({ params: { id, if_match, ...changes } }) => chains.update(id, if_match, changes),
    deleteEvmChain: ({ params: { id, if_match } }) => chains.remove(id, if_match),

    listEvmTokens: ({ params }) => evmTokens.list(params),
    createEvmToken: ({ params, once }) => once((db) => evmTokens.create(db, params)),
    getEvmToken: ({ params: { id } }) => evmTokens.get(id),
    updateEvmToken: ({ params: { id, if_match, ...changes } }) => evmTokens.update(id, if_match, changes),
    deleteEvmToken: ({ params: { id, if_match } }) => evmTokens.remove(id, if_match),
    syncEvmTokens: ({ once }) => once((db) => registerContracts(db)),
    async lookupContracts({ params: { symbol }, problem }) {
      const found = await lookupContracts(pool, symbol);
      if (!found) throw problem("ASSET_NOT_FOUND");
      return found;
    },

    listSolanaTokens: ({ params }) => solanaTokens.list(params),
    createSolanaToken: ({ params, once }) => once((db) => solanaTokens.create(db, params)),
    getSolanaToken: ({ params: { id } }) => solanaTokens.get(id),
    updateSolanaToken: ({ params: { id, if_match, ...changes } }) =>
      solanaTokens.update(id, if_match, changes),
    deleteSolanaToken: ({ params: { id, if_match } }) => solanaTokens.remove(id, if_match),

    async knownChains() {
      const evm = (await listChains()).filter(({ family }) => family === "evm");
      return evm.map(({ family: _, ...chain }) => chain);
    },
    registry: ({ params: { after } }) => readRegistry(after),
    quotes: ({ params: { assets } }) => quotes(assets),
    ...prices.handlers,
  };
}

/** A node's URL may hold a key, so it is for administrators, signed in as such. */
function visibleTo({ roles, scopes }: Principal, chain: EvmChain): EvmChain {
  if (scopes === "all" && roles.includes(ADMINISTRATOR)) return chain;
  const { rpc_url: _, ...visible } = chain;
  return visible;
}
