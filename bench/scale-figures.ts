import type { Kind } from "./scale-load-plan.ts";
import type { Replicas } from "./scale-system.ts";
import type { Machine } from "./stage.ts";

/** What uses processor time: a service (all replicas together), the broker, the database. */
export const PARTS = [
  "gateway",
  "auth",
  "users",
  "portfolios",
  "accounts",
  "market",
  "nats-server",
  "PostgreSQL",
] as const;
export type Part = (typeof PARTS)[number];
/** Those that are services. */
export const SERVICE_PARTS = PARTS.slice(0, -2) as readonly Service[];
export type Service = Exclude<Part, "nats-server" | "PostgreSQL">;
export type ByPart = Readonly<Record<Part, number>>;

/** What one load took, over all its rounds. */
export interface Measured {
  readonly requests: number;
  readonly errors: number;
  readonly unsent: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of all that was used, per request. */
  readonly cpuMicroseconds: ByPart;
  /** Of what was used beyond what the same processes use when nobody asks, per request. */
  readonly ownMicroseconds: ByPart;
  /** The busiest replica's event loop, 0 to 1; of the services only. */
  readonly utilisation: Readonly<Partial<Record<Part, number>>>;
  readonly connections: {
    readonly open: number;
    readonly busyMost: number;
    readonly busyMean: number;
    /** Callers that waited for a connection, on average. */
    readonly waitingMean: number;
  };
  /** Of all processes, per request. */
  readonly broker: { readonly packets: number; readonly bytes: number; readonly writes: number };
}

/** What a number of replicas uses, per second, when nobody asks: processor time in thousandths of a core, and packets. */
export interface Idle {
  readonly millicores: ByPart;
  readonly packetsPerSecond: number;
}

export interface Configuration {
  readonly replicas: Replicas;
  readonly idle: Idle;
  /** At the fixed rate. */
  readonly steady: Measured;
  /** As many at once as there are connections. */
  readonly busy: Measured;
  /** At the fixed rate for each replica; where there are as many of both, and several. */
  readonly grown?: Measured;
}

export interface OperationCost {
  readonly kind: Kind;
  readonly ratePerSecond: number;
  readonly steady: Measured;
  readonly busy: Measured;
}

/** All that `--scale` has measured. */
export interface ScaleFigures {
  /** The day, as RFC 3339 writes it. */
  readonly date: string;
  readonly machine: Machine;
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly ratePerSecond: number;
  readonly configurations: readonly Configuration[];
  readonly operations: readonly OperationCost[];
}

/** The same figure for each part. */
export function byPart(figure: (part: Part) => number): ByPart {
  return Object.fromEntries(PARTS.map((part) => [part, figure(part)])) as Record<Part, number>;
}

export function sumOf(figures: ByPart): number {
  return PARTS.reduce((sum, part) => sum + figures[part], 0);
}
