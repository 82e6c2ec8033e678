import { randomUUID } from "node:crypto";
import { accounts, type HeldAccount } from "../../services/accounts/contract.ts";
import { implement } from "../../services/common/implement.ts";
import type { ServiceModule } from "../../services/common/service.ts";
import { type AssetReference, market, type Quote } from "../../services/market/contract.ts";
import type { PortfolioDrift } from "../../services/portfolios/contract/drift.ts";
import type { Allocation, PortfolioHoldings } from "../../services/portfolios/contract/holdings.ts";
import type { AccountLink, LinkedAccount } from "../../services/portfolios/contract/links.ts";
import type { Portfolio } from "../../services/portfolios/contract/portfolio.ts";
import portfolios from "../../services/portfolios/portfolios.service.ts";
import { principalOf, startBroker, type TestBroker } from "../support/broker.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";

type Held = HeldAccount["holdings"][number];

export const LARGE = `1${"0".repeat(30)}`;
export const SMALL = `0.${"0".repeat(29)}1`;
export const PRICED_AT = "2026-01-31T09:30:00.000Z";

/** What a test's market knows. */
export interface KnownAsset {
  readonly symbol: string;
  /** None: it is known and has no price. */
  readonly price?: string;
  readonly stale?: boolean;
  readonly asset_type?: Quote["asset_type"];
  /** By what else it is known than by its listed symbol. */
  readonly by?: readonly AssetReference[];
  /** Whether its symbol means it; unless given, it does. */
  readonly isListed?: boolean;
}

/** The accounts and the market service as tests have them: what is in them is said, and what is asked is counted. */
export class Neighbours {
  readonly calls = { accounts: 0, market: 0 };
  /** The ids of all that was asked about in the last call. */
  asked: readonly AssetReference[] = [];
  /** More accounts than this are answered in several messages. */
  accountsPerMessage = 100;
  readonly #accounts = new Map<string, { readonly userId: string; account: HeldAccount }>();
  readonly #quotes = new Map<string, Quote>();

  know(asset: KnownAsset, id: string = randomUUID()): string {
    const quote: Quote = {
      asset_id: id,
      symbol: asset.symbol,
      name: asset.symbol,
      asset_type: asset.asset_type ?? "cryptocurrency",
      price_usd: asset.price ?? null,
      as_of: asset.price === undefined ? null : PRICED_AT,
      source: asset.price === undefined ? null : "test",
      stale: asset.stale ?? false,
    };
    const references = [...(asset.by ?? [])];
    if (asset.isListed !== false) references.push({ listed: asset.symbol });
    for (const reference of references) this.#quotes.set(JSON.stringify(reference), quote);
    return id;
  }

  /** An account of a user; with holdings of `[symbol, quantity]`, or as accounts answer them. */
  account(
    userId: string,
    holdings: readonly (readonly [string, string] | Partial<Held>)[] = [],
    members: Partial<HeldAccount> = {},
  ): string {
    const id = randomUUID();
    const account: HeldAccount = {
      id,
      name: "Manual",
      account_type: "manual",
      exchange_name: null,
      wallet_address: null,
      is_active: true,
      last_synced_at: null,
      created_at: PRICED_AT,
      updated_at: PRICED_AT,
      stale: false,
      ...members,
      holdings: holdings.map(heldOf),
    };
    this.#accounts.set(id, { userId, account });
    return id;
  }

  hold(accountId: string, holdings: readonly (readonly [string, string] | Partial<Held>)[]): void {
    const known = this.#accounts.get(accountId);
    if (known) known.account = { ...known.account, holdings: holdings.map(heldOf) };
  }

  remove(accountId: string): void {
    this.#accounts.delete(accountId);
  }

  readonly modules: readonly ServiceModule[] = [
    () => async () => ({
      schema: implement({
        contract: { name: accounts.name, actions: { holdings: accounts.actions.holdings } },
        handlers: {
          holdings: async ({ params: { user_id, account_ids } }) => {
            this.calls.accounts += 1;
            const found = account_ids.flatMap((id) => {
              const known = this.#accounts.get(id);
              return known?.userId === user_id ? [known.account] : [];
            });
            const rest = found.slice(this.accountsPerMessage).map(({ id }) => id);
            return {
              accounts: found.slice(0, this.accountsPerMessage),
              ...(rest.length > 0 && { next_account_ids: rest }),
            };
          },
        },
      }),
    }),
    () => async () => ({
      schema: implement({
        contract: { name: market.name, actions: { quotes: market.actions.quotes } },
        handlers: {
          quotes: async ({ params: { assets } }) => {
            this.calls.market += 1;
            this.asked = assets;
            return assets.map((reference) => this.#quotes.get(keyOf(reference)) ?? null);
          },
        },
      }),
    }),
  ];
}

/** The market folds the case of listed symbols. */
function keyOf(reference: AssetReference): string {
  return JSON.stringify("listed" in reference ? { listed: reference.listed.toUpperCase() } : reference);
}

function heldOf(holding: readonly [string, string] | Partial<Held>): Held {
  const given = "length" in holding ? { symbol: holding[0], quantity: holding[1] } : holding;
  const quantity = given.quantity ?? "1";
  const symbol = given.symbol ?? "BTC";
  return { asset: symbol, symbol, available: quantity, frozen: "0", ...given, quantity } as Held;
}

export interface ValuedServices extends TestBroker {
  readonly database: TestDatabase;
  readonly neighbours: Neighbours;
  as(userId: string, principal?: ReturnType<typeof principalOf>): ReturnType<typeof actionsOf>;
}

/** The portfolios service with real broker and database, and neighbours that say what the test wants. */
export async function startValued(): Promise<ValuedServices> {
  const database = await cloneDatabase();
  const neighbours = new Neighbours();
  const broker = await startBroker([...neighbours.modules, portfolios], {
    DATABASE_URL: database.url,
    DB_MIN_CONNECTIONS: "2",
  });
  return {
    ...broker,
    database,
    neighbours,
    as: (userId, principal = principalOf(userId)) => actionsOf(broker, principal),
    async stop() {
      await broker.stop();
      await database.drop();
    },
  };
}

function actionsOf(broker: TestBroker, principal: ReturnType<typeof principalOf>) {
  const call = <Result>(action: string, params: object) =>
    broker.callAs<Result>(principal, `portfolios.${action}`, params);
  return {
    portfolio: (members: object = {}) => call<Portfolio>("create", { name: "Main", ...members }),
    get: (id: string) => call<Portfolio>("get", { id }),
    update: (id: string, changes: object) => call<Portfolio>("update", { id, ...changes }),
    delete: (id: string) => call<null>("delete", { id }),
    accounts: (id: string, params: object = {}) =>
      call<{ items: LinkedAccount[]; next_cursor?: string }>("listAccounts", { id, ...params }),
    link: (id: string, account_id: string) => call<AccountLink>("linkAccount", { id, account_id }),
    replace: (id: string, account_ids: readonly string[]) =>
      call<LinkedAccount[]>("replaceAccounts", { id, account_ids }),
    unlink: (id: string, account_id: string) => call<null>("unlinkAccount", { id, account_id }),
    holdings: (id: string) => call<PortfolioHoldings>("holdings", { id }),
    construct: (id: string) => call<Allocation>("construct", { id }),
    allocation: (id: string) => call<Allocation>("allocation", { id }),
    drift: (id: string) => call<PortfolioDrift>("drift", { id }),
  };
}
