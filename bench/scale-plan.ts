import {
  type ByPart,
  byPart,
  type Measured,
  type ScaleFigures,
  SERVICE_PARTS,
  type Service,
} from "./scale-figures.ts";
import type { Kind } from "./scale-load-plan.ts";

/** What a plan is made for. */
export interface Demand {
  readonly requestsPerSecond: number;
  /** The share of each kind of request, of 1. */
  readonly mix: Readonly<Record<Exclude<Kind, "first">, number>>;
  /** How many different tokens are in use at the same time. */
  readonly tokens: number;
  /** Whether a client comes to the same gateway each time. */
  readonly keepsClients: boolean;
}

export const DEMAND: Demand = {
  requestsPerSecond: 10_000,
  mix: { list: 0.8, holdings: 0.12, create: 0.05, construct: 0.03 },
  tokens: 100_000,
  keepsClients: false,
};

export const ZONES = 3;
/** A process runs JavaScript on one core; above this share of it, queues make replies slow. */
export const PROCESS_CORE_SHARE = 0.7;
/** PostgreSQL has checkpoints, vacuum and whoever else asks beside the requests. */
export const DATABASE_CORE_SHARE = 0.6;
/** How many connections are there for each that is at work on average. */
export const CONNECTIONS_PER_BUSY = 4;
/** Of each pool, beside requests: jobs, and the relay of events. */
const CONNECTIONS_BESIDE = 3;
const POOL_LEAST = 10;
/** As docs/kubernetes.md reckons: a surge, and one that still stops. */
const PODS_BESIDE = 2;
const MIGRATION_CONNECTIONS = 15;
const SPARE_SHARE = 0.1;
/** `services/gateway/authenticate.ts`: so many tokens are remembered by each gateway, for so long. */
export const REMEMBERED_TOKENS = 20_000;
export const REMEMBERED_SECONDS = 60;
/** Each process sends two and a half to all others. */
const HEARTBEATS_PER_SECOND = 2.5;
export const NATS_SERVERS = 3;

export interface ServicePlan {
  readonly service: Service;
  readonly microseconds: number;
  readonly cores: number;
  /** So many would be at their share of a core. */
  readonly needed: number;
  /** With a zone to lose, the same number in each. */
  readonly replicas: number;
  /** Of one core, when all are there, and when a zone is gone. */
  readonly usual: number;
  readonly zoneLost: number;
}

export interface ScalePlan {
  readonly demand: Demand;
  readonly costs: ByPart;
  readonly services: readonly ServicePlan[];
  readonly processes: number;
  /** The share of requests for which auth is asked about the token. */
  readonly questionShare: number;
  /** Connections at work on average, of one pool's most, and at PostgreSQL at most. */
  readonly busyConnections: number;
  readonly poolSize: number;
  readonly connections: number;
  readonly databaseCores: number;
  readonly databaseCoresProvided: number;
  readonly packetsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly heartbeatsPerSecond: number;
  /** With what crosses from one server to another. */
  readonly natsCores: number;
}

/** Which costs a plan is made with: the dearer ones at a steady rate, or those where requests share much. */
export type Load = "steady" | "busy";

/** What carries a demand, from what was measured: costs per request times requests. */
export function planOf(figures: ScaleFigures, demand: Demand, load: Load = "steady"): ScalePlan {
  // More gateways mean more questions about tokens, and those may mean more gateways.
  let gateways = ZONES;
  let questionShare = 0;
  let costs = costsOf(figures, demand, load, questionShare);
  for (let attempt = 0; attempt < 10; attempt += 1) {
    questionShare = questionShareOf(demand, gateways);
    costs = costsOf(figures, demand, load, questionShare);
    gateways = replicasFor(coresOf(demand, costs.gateway));
  }
  const services = SERVICE_PARTS.map((service) => servicePlan(service, demand, costs[service]));
  const processes = services.reduce((sum, { replicas }) => sum + replicas, 0);
  const perRequest = (figure: (measured: Measured) => number) =>
    meanOf(demand, questionShare, (kind) => figure(measuredAt(figures, kind, "steady")));
  const { requestsPerSecond } = demand;
  const busyConnections =
    requestsPerSecond * perRequest(({ connections, requestsPerSecond: rate }) => connections.busyMean / rate);
  const portfolios = services.find(({ service }) => service === "portfolios") as ServicePlan;
  const poolSize = poolFor(busyConnections / remaining(portfolios.replicas));
  const pooled = services.filter(({ service }) => service !== "gateway");
  const pools = pooled.reduce((sum, { replicas }) => sum + (replicas + PODS_BESIDE) * poolSize, 0);
  const databaseCores = coresOf(demand, costs.PostgreSQL);
  return {
    demand,
    costs,
    services,
    processes,
    questionShare,
    busyConnections,
    poolSize,
    connections: Math.ceil((pools + MIGRATION_CONNECTIONS) * (1 + SPARE_SHARE)),
    databaseCores,
    databaseCoresProvided: Math.ceil(databaseCores / DATABASE_CORE_SHARE),
    packetsPerSecond: requestsPerSecond * perRequest(({ broker }) => broker.packets),
    megabytesPerSecond: (requestsPerSecond * perRequest(({ broker }) => broker.bytes)) / 1e6,
    heartbeatsPerSecond: HEARTBEATS_PER_SECOND * processes * processes,
    natsCores: coresOf(demand, costs["nats-server"]) * (1 + (NATS_SERVERS - 1) / NATS_SERVERS),
  };
}

/** What a request costs on average, in microseconds by part: of the mix, and of the questions about its tokens. */
export function costsOf(figures: ScaleFigures, demand: Demand, load: Load, questionShare: number): ByPart {
  return byPart((part) =>
    meanOf(demand, questionShare, (kind) =>
      Math.max(0, measuredAt(figures, kind, load).ownMicroseconds[part]),
    ),
  );
}

/** The mean of a figure over the mix, and what questions about tokens add to it. */
function meanOf({ mix }: Demand, questionShare: number, figure: (kind: Kind) => number): number {
  const kinds = Object.entries(mix) as [Kind, number][];
  const requests = kinds.reduce((sum, [kind, share]) => sum + share * figure(kind), 0);
  return requests + questionShare * Math.max(0, figure("first") - figure("list"));
}

/**
 * The share of requests whose token the gateway does not remember, at most: none is remembered for longer than a minute,
 * and the least recently seen is forgotten when there are too many. Every gateway sees every token, unless clients are kept at one.
 */
export function questionShareOf(
  { requestsPerSecond, tokens, keepsClients }: Demand,
  gateways: number,
): number {
  const gatewaysPerToken = keepsClients ? 1 : gateways;
  const tokensPerGateway = keepsClients ? tokens / gateways : tokens;
  const perTokenAndGateway = requestsPerSecond / (tokens * gatewaysPerToken);
  const byTime = (REMEMBERED_SECONDS * perTokenAndGateway) / (1 + REMEMBERED_SECONDS * perTokenAndGateway);
  const byNumber = Math.min(1, REMEMBERED_TOKENS / tokensPerGateway);
  return 1 - Math.min(byTime, byNumber);
}

function measuredAt({ operations }: ScaleFigures, kind: Kind, load: Load): Measured {
  const found = operations.find((operation) => operation.kind === kind);
  if (!found) throw new Error(`The figures have none of "${kind}".`);
  return found[load];
}

function servicePlan(service: Service, demand: Demand, microseconds: number): ServicePlan {
  const cores = coresOf(demand, microseconds);
  const replicas = replicasFor(cores);
  return {
    service,
    microseconds,
    cores,
    needed: Math.max(1, Math.ceil(cores / PROCESS_CORE_SHARE)),
    replicas,
    usual: cores / replicas,
    zoneLost: cores / remaining(replicas),
  };
}

function coresOf({ requestsPerSecond }: Demand, microseconds: number): number {
  return (requestsPerSecond * microseconds) / 1e6;
}

/** As many in each zone, and enough of them when one zone is gone. */
function replicasFor(cores: number): number {
  const perZone = Math.ceil(cores / PROCESS_CORE_SHARE / (ZONES - 1));
  return ZONES * Math.max(1, perZone);
}

function remaining(replicas: number): number {
  return (replicas * (ZONES - 1)) / ZONES;
}

function poolFor(busy: number): number {
  const wanted = Math.ceil(CONNECTIONS_PER_BUSY * busy) + CONNECTIONS_BESIDE;
  return Math.max(POOL_LEAST, Math.ceil(wanted / 5) * 5);
}
