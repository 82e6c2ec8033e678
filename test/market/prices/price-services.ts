import { randomUUID } from "node:crypto";
import type { Quote } from "../../../services/market/contract.ts";
import market from "../../../services/market/market.service.ts";
import { principalOf, startBroker, type TestBroker } from "../../support/broker.ts";
import { cloneDatabase, type TestDatabase } from "../../support/database.ts";
import { type CoinGecko, startCoinGecko } from "../../support/providers/coingecko.ts";
import { type CoinPaprika, type PaprikaCoin, startCoinPaprika } from "../../support/providers/coinpaprika.ts";

export interface Report {
  readonly success: boolean;
  readonly coins_fetched: number;
  readonly assets_created: number;
  readonly assets_updated: number;
  readonly prices_stored: number;
  readonly error?: string;
}

/** The market with providers of its own, in one or more replicas. */
export interface PriceGround {
  readonly database: TestDatabase;
  readonly paprika: CoinPaprika;
  readonly gecko: CoinGecko;
  readonly environment: Readonly<Record<string, string>>;
  /** As an administrator, at one of the replicas. */
  fetchAllCoins(replica?: number): Promise<Report>;
  quotes(...assets: object[]): Promise<(Quote | null)[]>;
  /** Adds a replica. */
  start(changes?: Readonly<Record<string, string>>, options?: { background?: boolean }): Promise<TestBroker>;
  stop(): Promise<void>;
}

const administrator = principalOf(randomUUID(), { roles: ["administrator"] });

export async function startPriceGround(replicas = 1): Promise<PriceGround> {
  const [database, paprika, gecko] = await Promise.all([
    cloneDatabase(),
    startCoinPaprika(),
    startCoinGecko([{ id: "hyperliquid", symbol: "hype", name: "Hyperliquid", price: "35.5" }]),
  ]);
  const environment = {
    DATABASE_URL: database.url,
    DB_MIN_CONNECTIONS: "1",
    COINPAPRIKA_URL: paprika.url,
    COINGECKO_URL: gecko.url,
    OUTGOING_PRIVATE_HOSTS: [paprika, gecko].map(({ url }) => new URL(url).host).join(),
    FETCH_ALL_COINS_ENABLED: "false",
    // When it is switched on, no test is to meet its time.
    FETCH_ALL_COINS_SCHEDULE: "0 0 0 1 1 *",
  };
  const brokers: TestBroker[] = [];
  const start: PriceGround["start"] = async (changes = {}, options = {}) => {
    const broker = await startBroker([market], { ...environment, ...changes }, options);
    brokers.push(broker);
    return broker;
  };
  for (let replica = 0; replica < replicas; replica += 1) await start();
  return {
    database,
    paprika,
    gecko,
    environment,
    fetchAllCoins: (replica = 0) =>
      (brokers[replica] as TestBroker).callAs(administrator, "market.fetchAllCoins", {}),
    quotes: (...assets) => (brokers[0] as TestBroker).callAs(undefined, "market.quotes", { assets }),
    start,
    async stop() {
      await Promise.all(brokers.map((broker) => broker.stop()));
      await Promise.all([paprika.stop(), gecko.stop(), database.drop()]);
    },
  };
}

/** A coin of CoinPaprika's with this id: `btc-bitcoin` is BTC, Bitcoin. */
export function paprikaCoin(id: string, price: string, changes: Partial<PaprikaCoin> = {}): PaprikaCoin {
  const [symbol = "", ...name] = id.split("-");
  return { id, symbol: symbol.toUpperCase(), name: name.join(" "), rank: 100, price, ...changes };
}
