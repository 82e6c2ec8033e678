import type { ServiceSchema } from "moleculer";
import type { Metric } from "prom-client";
import type { Environment } from "./config.ts";
import type { ActionName, Contract, ParamsOf, ResultOf } from "./contract.ts";
import type { Hearers } from "./events/hearers.ts";

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

/** @param hearers who hears the events that it tells. */
export type OpenStep = (log: Log, unreadiness: Unreadiness, hearers: Hearers) => Promise<OpenService>;

/** How a service reaches others when no request is behind it. */
export interface Outside {
  /** Calls an action; unless a limit is given, the broker's own request timeout holds. */
  readonly call: <Name extends ActionName<Contract>>(
    action: Name,
    params: ParamsOf<Contract, Name>,
    limitMs?: number,
  ) => Promise<ResultOf<Contract, Name>>;
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
  /**
   * Ends that: nothing new is begun, and what runs comes to its end. The broker is left afterwards.
   * @param limitMs after so long, what still runs is told to stop at once.
   */
  readonly end?: (limitMs?: number) => Promise<void>;
  /** Stop is near: tell clients to go elsewhere, while still answering them; ends when they have been told. */
  readonly drain?: () => Promise<void> | void;
  /** Lets go of what it stands on, after the process has left the broker. */
  readonly close?: () => Promise<void>;
}
