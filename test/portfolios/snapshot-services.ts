import { randomUUID } from "node:crypto";
import type { ServiceModule } from "../../services/common/service.ts";
import type { Portfolio } from "../../services/portfolios/contract/portfolio.ts";
import type {
  Snapshot,
  SnapshotResult,
  SnapshotResults,
  Snapshots,
} from "../../services/portfolios/contract/snapshots.ts";
import portfolios from "../../services/portfolios/portfolios.service.ts";
import { principalOf, startBroker, type TestBroker } from "../support/broker.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";
import { Neighbours } from "./valued-services.ts";

/** An event as listeners are told of it. */
export interface Told {
  readonly event: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface SnapshotServices {
  readonly database: TestDatabase;
  readonly neighbours: Neighbours;
  /** What all replicas have told so far. */
  readonly told: Told[];
  /** One more replica, with its jobs and events. */
  replica(environment?: Readonly<Record<string, string>>, isAlone?: boolean): Promise<TestBroker>;
  stop(): Promise<void>;
}

const QUIET = { EOD_SNAPSHOT_ENABLED: "false", HOURLY_SNAPSHOT_ENABLED: "false" };

/** A database, and replicas of the portfolios service on it; accounts and market say what the test wants. */
export async function startSnapshots(): Promise<SnapshotServices> {
  const database = await cloneDatabase();
  const neighbours = new Neighbours();
  const told: Told[] = [];
  const replicas: TestBroker[] = [];
  const note = (event: string) => (context: { params: { payload: Told["payload"] } }) =>
    void told.push({ event, payload: context.params.payload });
  const events = ["portfolios.snapshot_taken", "portfolios.drift_breached"];
  const listener: ServiceModule = () => async () => ({
    schema: { name: "listener", events: Object.fromEntries(events.map((event) => [event, note(event)])) },
  });
  return {
    database,
    neighbours,
    told,
    async replica(environment = QUIET, isAlone = false) {
      const modules = [...(isAlone ? [] : neighbours.modules), listener, portfolios];
      const settings = { DATABASE_URL: database.url, DB_MIN_CONNECTIONS: "2", ...environment };
      const replica = await startBroker(modules, settings, { background: true });
      replicas.push(replica);
      return replica;
    },
    async stop() {
      await Promise.all(replicas.map((replica) => replica.stop()));
      await database.drop();
    },
  };
}

/** The actions, as a user calls them. */
export function snapshotsOf(broker: TestBroker, userId: string, principal = principalOf(userId)) {
  const call = <Result>(action: string, params: object) =>
    broker.callAs<Result>(principal, `portfolios.${action}`, params);
  return {
    portfolio: (members: object = {}) => call<Portfolio>("create", { name: "Main", ...members }),
    rename: (id: string, name: string) => call<Portfolio>("update", { id, name }),
    delete: (id: string) => call<null>("delete", { id }),
    link: (id: string, account_ids: readonly string[]) => call("replaceAccounts", { id, account_ids }),
    take: (id: string, members: object = {}) => call<SnapshotResult>("takeSnapshot", { id, ...members }),
    takeEndOfDay: (id: string, members: object = {}) =>
      call<SnapshotResult>("takeEndOfDaySnapshot", { id, ...members }),
    takeAll: (members: object = {}) => call<SnapshotResults>("takeAllSnapshots", members),
    list: (id: string, members: object = {}) => call<Snapshots>("listSnapshots", { id, ...members }),
    latest: (id: string) => call<Snapshot>("latestSnapshot", { id }),
  };
}

/** Someone with a portfolio of one account that holds this. */
export async function someone(
  { neighbours }: SnapshotServices,
  broker: TestBroker,
  ...holdings: readonly (readonly [string, string])[]
) {
  const userId = randomUUID();
  const user = snapshotsOf(broker, userId);
  const { id } = await user.portfolio();
  const account = neighbours.account(userId, holdings);
  await user.link(id, [account]);
  return { userId, user, id, account };
}

/** Today, or so many days ago, in UTC. */
export function day(ago = 0): string {
  return new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
}
