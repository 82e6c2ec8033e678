import { readDatabaseSettings } from "../common/database/config.ts";
import { openDatabase } from "../common/database/database.ts";
import { databaseProblem } from "../common/database/errors.ts";
import { implement } from "../common/implement.ts";
import { ADMINISTRATOR, type Principal } from "../common/principal.ts";
import type { ServiceModule } from "../common/service.ts";
import { chainList } from "./chains.ts";
import { readMarketConfig } from "./config.ts";
import { type EvmChain, market } from "./contract.ts";
import { lookupContracts, registerContracts } from "./contracts.ts";
import { migrations } from "./migrations/index.ts";
import { quoteReads } from "./quotes.ts";
import { chainRegistry, evmTokenRegistry, solanaTokenRegistry } from "./registries.ts";

/** Assets, their prices, and the registries of chains and tokens. */
const service: ServiceModule = (environment) => {
  const config = readMarketConfig(environment);
  const settings = readDatabaseSettings("market", environment);

  return async (log) => {
    const database = await openDatabase({ settings, entities: [], migrations, log });
    const { pool } = database;
    const listChains = chainList(pool);
    const quotes = quoteReads(pool, config.maxPriceAgeSeconds);
    const chains = chainRegistry(pool);
    const evmTokens = evmTokenRegistry(pool);
    const solanaTokens = solanaTokenRegistry(pool);

    const schema = implement({
      contract: market,
      problemBehind: databaseProblem,
      handlers: {
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
        createEvmChain: ({ params }) => chains.create(params),
        updateEvmChain: ({ params: { id, if_match, ...changes } }) => chains.update(id, if_match, changes),
        deleteEvmChain: ({ params: { id, if_match } }) => chains.remove(id, if_match),

        listEvmTokens: ({ params }) => evmTokens.list(params),
        createEvmToken: ({ params }) => evmTokens.create(params),
        getEvmToken: ({ params: { id } }) => evmTokens.get(id),
        updateEvmToken: ({ params: { id, if_match, ...changes } }) => evmTokens.update(id, if_match, changes),
        deleteEvmToken: ({ params: { id, if_match } }) => evmTokens.remove(id, if_match),
        syncEvmTokens: () => registerContracts(pool),
        async lookupContracts({ params: { symbol }, problem }) {
          const found = await lookupContracts(pool, symbol);
          if (!found) throw problem("ASSET_NOT_FOUND");
          return found;
        },

        listSolanaTokens: ({ params }) => solanaTokens.list(params),
        createSolanaToken: ({ params }) => solanaTokens.create(params),
        getSolanaToken: ({ params: { id } }) => solanaTokens.get(id),
        updateSolanaToken: ({ params: { id, if_match, ...changes } }) =>
          solanaTokens.update(id, if_match, changes),
        deleteSolanaToken: ({ params: { id, if_match } }) => solanaTokens.remove(id, if_match),

        async knownChains() {
          const evm = (await listChains()).filter(({ family }) => family === "evm");
          return evm.map(({ family: _, ...chain }) => chain);
        },
        quotes: ({ params: { assets } }) => quotes(assets),
      },
    });
    return { schema, unreadiness: database.unreadiness, close: database.close };
  };
};
export default service;

/** A node's URL may hold a key, so it is for administrators, signed in as such. */
function visibleTo({ roles, scopes }: Principal, chain: EvmChain): EvmChain {
  if (scopes === "all" && roles.includes(ADMINISTRATOR)) return chain;
  const { rpc_url: _, ...visible } = chain;
  return visible;
}
