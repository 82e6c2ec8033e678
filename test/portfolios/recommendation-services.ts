import { randomUUID } from "node:crypto";
import { readDatabaseSettings } from "../../services/common/database/config.ts";
import { openDatabase } from "../../services/common/database/database.ts";
import { databaseProblem } from "../../services/common/database/errors.ts";
import { openEvents } from "../../services/common/events.ts";
import { openIdempotency } from "../../services/common/idempotency.ts";
import { implement } from "../../services/common/implement.ts";
import { problem } from "../../services/common/problem.ts";
import type { ServiceModule } from "../../services/common/service.ts";
import type { Quote } from "../../services/market/contract.ts";
import { type Portfolio, portfolioActions } from "../../services/portfolios/contract/portfolio.ts";
import type {
  Recommendation,
  Recommendations,
} from "../../services/portfolios/contract/recommendation-members.ts";
import { recommendationActions } from "../../services/portfolios/contract/recommendations.ts";
import { portfolios } from "../../services/portfolios/contract.ts";
import { aggregateHoldings } from "../../services/portfolios/domain/holdings.ts";
import { positionsOf } from "../../services/portfolios/domain/positions.ts";
import { migrations } from "../../services/portfolios/migrations/index.ts";
import { PortfolioEntity } from "../../services/portfolios/portfolio.entity.ts";
import { portfolioHandlers } from "../../services/portfolios/portfolio-handlers.ts";
import { type PortfolioReads, portfolioReads } from "../../services/portfolios/reads.ts";
import { recommendationHandlers } from "../../services/portfolios/recommendations/handlers.ts";
import type { Valuation, Value } from "../../services/portfolios/valuation.ts";
import { principalOf, startBroker, type TestBroker } from "../support/broker.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";

/** What a portfolio of a test holds; each symbol is one asset, and every one but UNLISTED is listed. */
export interface Held {
  readonly asset: string;
  readonly quantity: string;
  readonly available?: string;
  readonly price?: string;
  readonly stale?: boolean;
}

export const BTC_60_ETH_40 = { BTC: 60, ETH: 40 };
/** 75 % and 25 % of 8,000 US dollars. */
export const OFF_TARGET: readonly Held[] = [
  { asset: "BTC", quantity: "0.1", price: "60000" },
  { asset: "ETH", quantity: "1", price: "2000" },
];
export const PRICED_AT = "2026-01-31T09:30:00.000Z";

const ids = new Map<string, string>();
export function assetId(symbol: string): string {
  const id = ids.get(symbol) ?? randomUUID();
  ids.set(symbol, id);
  return id;
}

export interface RecommendationServices extends TestBroker {
  readonly database: TestDatabase;
  /** What a portfolio holds from now on. */
  hold(portfolioId: string, held: readonly Held[]): void;
  as(userId: string, principal?: ReturnType<typeof principalOf>): ReturnType<typeof actionsOf>;
}

/** Portfolios and recommendations with real broker and database, on valuations as the test states them. */
export async function startRecommendations(): Promise<RecommendationServices> {
  const database = await cloneDatabase();
  const holdings = new Map<string, readonly Held[]>();
  const module: ServiceModule = (environment) => async (log, _unreadiness, hearers) => {
    const settings = readDatabaseSettings("portfolios", environment);
    const opened = await openDatabase({ settings, entities: [PortfolioEntity], migrations, log });
    const reads = portfolioReads(opened.pool);
    const events = openEvents({ contract: portfolios, pool: opened.pool, log, hearers });
    const schema = implement({
      contract: { name: "portfolios", actions: { ...portfolioActions, ...recommendationActions } },
      problemBehind: databaseProblem,
      idempotency: openIdempotency({ service: "portfolios", pool: opened.pool, log }),
      handlers: {
        ...portfolioHandlers({ database: opened, events }, reads),
        ...recommendationHandlers(opened.pool, valuesOf(reads, holdings)),
      },
    });
    return { schema, close: opened.close };
  };
  const broker = await startBroker([module], { DATABASE_URL: database.url, DB_MIN_CONNECTIONS: "2" });
  return {
    ...broker,
    database,
    hold: (portfolioId, held) => void holdings.set(portfolioId, held),
    as: (userId, principal = principalOf(userId)) => actionsOf(broker, principal),
    async stop() {
      await broker.stop();
      await database.drop();
    },
  };
}

function valuesOf(reads: PortfolioReads, holdings: ReadonlyMap<string, readonly Held[]>): Value {
  return async (key) => {
    const portfolio = await reads.get(key);
    if (!portfolio) throw problem("PORTFOLIO_NOT_FOUND");
    return valuationOf(portfolio, holdings.get(key.id) ?? []);
  };
}

export function valuationOf(portfolio: Portfolio, held: readonly Held[]): Valuation {
  const quotes = new Map(held.map((one) => [assetId(one.asset), quoteOf(one)]));
  const prices = new Map(
    held.flatMap(({ asset, price, stale = false }) =>
      price === undefined
        ? []
        : [[assetId(asset), { price_usd: price, as_of: PRICED_AT, source: "test", stale }] as const],
    ),
  );
  const inAccount = held.map(({ asset, quantity, available }) => ({
    asset,
    asset_id: assetId(asset),
    quantity,
    ...(available !== undefined && { available }),
  }));
  const account = { account_id: randomUUID(), account_name: "Account", holdings: inAccount };
  const allocation = Object.entries(portfolio.target_allocation ?? {});
  const targets = new Map(
    allocation.map(([symbol]) => [symbol, symbol === "UNLISTED" ? undefined : assetId(symbol)]),
  );
  const holdings = aggregateHoldings([account], prices);
  return {
    portfolio,
    accounts: [],
    quotes,
    targets,
    kinds: {
      stablecoins: new Set([assetId("USDC"), assetId("USDT")]),
      majors: new Set([assetId("BTC"), assetId("ETH")]),
      futures: new Set(),
    },
    holdings,
    positions: () =>
      positionsOf(
        holdings.holdings,
        allocation.map(([asset, target_pct]) => {
          const asset_id = targets.get(asset);
          return { asset, target_pct, ...(asset_id !== undefined && { asset_id }) };
        }),
        prices,
      ),
    as_of: new Date().toISOString(),
  };
}

function quoteOf({ asset, price, stale = false }: Held): Quote {
  return {
    asset_id: assetId(asset),
    symbol: asset,
    name: asset,
    asset_type: asset.startsWith("USD") ? "stablecoin" : "cryptocurrency",
    price_usd: price ?? null,
    as_of: price === undefined ? null : PRICED_AT,
    source: price === undefined ? null : "test",
    stale,
  };
}

function actionsOf(broker: TestBroker, principal: ReturnType<typeof principalOf>) {
  const call = <Result>(action: string, params: object) =>
    broker.callAs<Result>(principal, `portfolios.${action}`, params);
  return {
    portfolio: (members: object = {}) =>
      call<Portfolio>("create", { name: "Main", target_allocation: BTC_60_ETH_40, ...members }),
    updatePortfolio: (id: string, changes: object) => call<Portfolio>("update", { id, ...changes }),
    list: (id: string, params: object = {}) =>
      call<Recommendations>("listRecommendations", { id, ...params }),
    get: (id: string, recommendation_id: string) =>
      call<Recommendation>("getRecommendation", { id, recommendation_id }),
    create: (id: string, members: object = {}) =>
      call<Recommendation>("createRecommendation", { id, ...OWN, ...members }),
    generate: (id: string, constraints: object = {}) =>
      call<Recommendations>("generateRecommendations", { id, ...constraints }),
    move: (move: string, id: string, recommendation_id: string, params: object = {}) =>
      call<Recommendation>(`${move}Recommendation`, { id, recommendation_id, ...params }),
  };
}

/** A recommendation as a user writes one. */
export const OWN = {
  recommendation_type: "take_profit",
  rationale: "It has doubled.",
  proposed_orders: [
    {
      action: "sell",
      asset: "BTC",
      quantity: "0.05",
      estimated_price: "60000",
      estimated_value_usd: "3000.00",
    },
  ],
};
