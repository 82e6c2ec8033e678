import { setTimeout as wait } from "node:timers/promises";
import type { Context } from "moleculer";
import type { Connector, ReadHolding, ReadRequest } from "../../services/accounts/connectors/connector.ts";
import type { Job } from "../../services/accounts/contract/sync.ts";
import { accountsService } from "../../services/accounts/open-accounts.ts";
import type { Envelope } from "../../services/common/contract.ts";
import type { Log, ServiceModule } from "../../services/common/service.ts";
import { principalOf, startBroker, type TestBroker } from "../support/broker.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";
import { actionsOf, neighbour, newKey } from "./services.ts";

export type Read = (request: ReadRequest) => Promise<readonly ReadHolding[]>;

/** A provider of every kind of account, which does as the test says and tells what was asked of it. */
export class Provider {
  /** What is done with a request; the test sets it. */
  read: Read = async () => [];
  readonly requests: ReadRequest[] = [];
  /** How many reads of one account there were at once, at most. */
  mostAtOnce = 0;
  #atOnce = new Map<string, number>();

  readonly connectorFor = (): Connector => ({
    read: async (request) => {
      const name = request.account.wallet_address ?? request.credentials?.api_key ?? "";
      const atOnce = (this.#atOnce.get(name) ?? 0) + 1;
      this.#atOnce.set(name, atOnce);
      this.mostAtOnce = Math.max(this.mostAtOnce, atOnce);
      this.requests.push(request);
      try {
        return await this.read(request);
      } finally {
        this.#atOnce.set(name, atOnce - 1);
      }
    },
  });
}

export interface Syncing {
  readonly database: TestDatabase;
  readonly provider: Provider;
  /** All that the replicas have logged, as text. */
  readonly logged: string[];
  /** What `accounts.synced` has told so far, to whoever listens. */
  readonly heard: Envelope[];
  /** The account actions as one user calls them, on one of the replicas. */
  as(userId: string, replica?: number): ReturnType<typeof actionsOf>;
  call<Result>(action: string, params: object): Promise<Result>;
  /** The job once it is in one of these states. */
  until(userId: string, jobId: string, ...states: readonly Job["state"][]): Promise<Job>;
  /** Makes all jobs that wait for their time run now. */
  hurry(): Promise<void>;
  /** Has a job added, as a schedule does. */
  add(task: string, payload?: object): Promise<void>;
  stop(): Promise<void>;
}

export interface SyncingOptions {
  readonly replicas?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Without them what is asked for stays queued. */
  readonly runsJobs?: boolean;
}

const LIMIT_MS = 15_000;

/** Replicas of the accounts service, each on a broker of its own, with one database and one provider. */
export async function startSyncing(options: SyncingOptions = {}): Promise<Syncing> {
  const { replicas = 1, environment = {}, runsJobs = true } = options;
  const database = await cloneDatabase();
  const provider = new Provider();
  const logged: string[] = [];
  const heard: Envelope[] = [];
  const module = recording(
    accountsService(() => provider.connectorFor),
    logged,
  );
  const settings = {
    DATABASE_URL: database.url,
    DB_MIN_CONNECTIONS: "2",
    DB_MAX_CONNECTIONS: "10",
    CREDENTIALS_KEYS: newKey("k1"),
    SCHEDULED_SYNC_ENABLED: "false",
    ...environment,
  };
  const brokers: TestBroker[] = [];
  for (let replica = 0; replica < replicas; replica += 1) {
    const started = await startBroker([neighbour, module], settings, { background: runsJobs });
    const events = { "accounts.synced": (context: Context<Envelope>) => void heard.push(context.params) };
    started.broker.createService({ name: "listener", events });
    brokers.push(started);
  }
  const broker = (replica: number) => brokers[replica % replicas] as TestBroker;

  const syncing: Syncing = {
    database,
    provider,
    logged,
    heard,
    as: (userId, replica = 0) => actionsOf(broker(replica), principalOf(userId)),
    call: (action, params) => broker(0).callAs(undefined, action, params),
    async until(userId, jobId, ...states) {
      const end = Date.now() + LIMIT_MS;
      for (;;) {
        const job = await syncing.as(userId).job(jobId);
        if (states.includes(job.state)) return job;
        if (Date.now() > end) throw new Error(`The job is still ${job.state}: ${JSON.stringify(job)}`);
        await wait(20);
      }
    },
    async hurry() {
      await database.query("update accounts_jobs._private_jobs set run_at = now() where run_at > now()");
      await database.query("select pg_notify('jobs:insert', '{}')");
    },
    async add(task, payload = {}) {
      await database.query("select accounts_jobs.add_job($1, $2::json)", [task, JSON.stringify(payload)]);
    },
    async stop() {
      await Promise.all(brokers.map((each) => each.stop()));
      await database.drop();
    },
  };
  return syncing;
}

function recording(module: ServiceModule, logged: string[]): ServiceModule {
  const record = (...message: readonly unknown[]) => {
    logged.push(message.map((part) => (typeof part === "string" ? part : JSON.stringify(part))).join(" "));
  };
  const log: Log = { info: record, warn: record, error: record };
  return (environment) => {
    const open = module(environment);
    return (_, ...rest) => open(log, ...rest);
  };
}

/** A holding as connectors answer it. */
export function readHolding(asset: string, quantity: string, more: Partial<ReadHolding> = {}): ReadHolding {
  return { asset, symbol: asset, quantity, available: quantity, frozen: "0", ...more };
}

/** A promise, and what settles it. */
export function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}
