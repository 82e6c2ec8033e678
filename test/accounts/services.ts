import { randomBytes } from "node:crypto";
import accounts from "../../services/accounts/accounts.service.ts";
import type { Job, SyncAllReply, SyncReply } from "../../services/accounts/contract/sync.ts";
import type { Account } from "../../services/accounts/contract.ts";
import { implement } from "../../services/common/implement.ts";
import type { ServiceModule } from "../../services/common/service.ts";
import { market } from "../../services/market/contract.ts";
import { principalOf, startBroker, type TestBroker } from "../support/broker.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";

export const EVM = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
export const SOLANA = "vines1vzrYbzLMRdu58ou5XTby4qAqVRLmqo36NKPTg";
export const BITCOIN = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq";

const chain = (id: string, is_active: boolean) => ({ id, name: id, native_symbol: "ETH", is_active });
const CHAINS = [chain("ethereum", true), chain("base", true), chain("mantle", false)];

export const REGISTRY = {
  chains: [{ id: "ethereum", rpc_url: "https://node.example/key", native_symbol: "ETH", evm_number: 1 }],
  evm_tokens: [{ chain: "ethereum", symbol: "USDC", contract_address: `0x${"1".repeat(40)}` }],
  solana_tokens: [{ symbol: "USDC", mint_address: SOLANA }],
};

/** The market service as far as accounts use it. */
export const neighbour: ServiceModule = () => async () => {
  const { knownChains, registry } = market.actions;
  const schema = implement({
    contract: { name: market.name, actions: { knownChains, registry } },
    handlers: { knownChains: async () => CHAINS, registry: async () => REGISTRY },
  });
  return { schema };
};

export function newKey(id: string): string {
  return `${id}:${randomBytes(32).toString("base64")}`;
}

export interface AccountServices extends TestBroker {
  readonly database: TestDatabase;
  /** The account actions as one user calls them. */
  as(userId: string, principal?: ReturnType<typeof principalOf>): ReturnType<typeof actionsOf>;
}

export interface Page {
  readonly items: Account[];
  readonly next_cursor?: string;
}

/** The accounts service with real broker and database. */
export async function startAccounts(
  credentialsKeys = newKey("k1"),
  existing?: TestDatabase,
): Promise<AccountServices> {
  const database = existing ?? (await cloneDatabase());
  const broker = await startBroker([neighbour, accounts], {
    DATABASE_URL: database.url,
    DB_MIN_CONNECTIONS: "2",
    CREDENTIALS_KEYS: credentialsKeys,
  });
  return {
    ...broker,
    database,
    as: (userId, principal = principalOf(userId)) => actionsOf(broker, principal),
    async stop() {
      await broker.stop();
      if (!existing) await database.drop();
    },
  };
}

export function actionsOf(broker: TestBroker, principal: ReturnType<typeof principalOf>) {
  const call = <Result>(action: string, params: object) =>
    broker.callAs<Result>(principal, `accounts.${action}`, params);
  return {
    list: (params: object = {}) => call<Page>("list", params),
    create: (params: object) => call<Account>("create", params),
    manual: (name = "Manual") => call<Account>("create", { name, account_type: "manual" }),
    wallet: (changes: object = {}) =>
      call<Account>("create", { name: "Wallet", account_type: "wallet", wallet_address: EVM, ...changes }),
    exchange: (changes: object = {}) =>
      call<Account>("create", { name: "OKX", account_type: "exchange", exchange_name: "okx", ...changes }),
    get: (id: string) => call<Account>("get", { id }),
    sync: (id: string) => call<SyncReply>("sync", { id }),
    syncAll: () => call<SyncAllReply>("syncAll", {}),
    job: (id: string) => call<Job>("getJob", { id }),
    update: (id: string, params: object) => call<Account>("update", { id, ...params }),
    delete: (id: string, params: object = {}) => call<null>("delete", { id, ...params }),
    setHoldings: (id: string, holdings: unknown, params: object = {}) =>
      call<Account>("setHoldings", { id, holdings, ...params }),
  };
}
