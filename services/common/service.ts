import type { ServiceSchema } from "moleculer";
import type { Metric } from "prom-client";
import type { Environment } from "./config.ts";
import type { Call, Contract } from "./contract.ts";

/** The process's log. */
export interface Log {
  info(...message: readonly unknown[]): void;
  warn(...message: readonly unknown[]): void;
  error(...message: readonly unknown[]): void;
}

/** Says why this process could not serve just now; undefined when it could. */
export type Unreadiness = () => Promise<string | undefined>;

/**
 * How a process starts a service, in two steps: first the settings of all its services are read, then what they stand
 * on is opened.
 * @throws {ConfigurationError} naming each wrong variable.
 */
export type ServiceModule = (environment: Environment) => OpenStep;

export type OpenStep = (log: Log, unreadiness: Unreadiness) => Promise<OpenService>;

/** How a service reaches others when no request is behind it. */
export interface Outside {
  /** Calls an action; the broker's own request timeout holds. */
  readonly call: Call<Contract>;
  /** Tells whoever listens; nobody confirms. */
  readonly emit: (event: string, payload: object) => Promise<void>;
}

/** A service that can be put on a broker. */
export interface OpenService {
  readonly schema: ServiceSchema;
  /** The services whose actions it calls: it is not ready before each was seen once. */
  readonly uses?: readonly string[];
  readonly unreadiness?: Unreadiness;
  /** Metrics of its own, and how their present values are read into them. */
  readonly metrics?: { readonly metrics: readonly Metric[]; readonly collect: () => void };
  /** Begins what no request asks for (jobs, relaying events); the process is ready when it is called. */
  readonly begin?: (outside: Outside) => Promise<void>;
  /** Ends that: nothing new is begun, and what runs comes to its end. The broker is left afterwards. */
  readonly end?: () => Promise<void>;
  /** Stop is near: tell clients to go elsewhere, while still answering them. */
  readonly drain?: () => void;
  /** Lets go of what it stands on, after the process has left the broker. */
  readonly close?: () => Promise<void>;
}
