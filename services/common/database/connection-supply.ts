import type pg from "pg";
import {
  abandonConnection,
  type Connection,
  closeConnection,
  newConnection,
  openConnection,
} from "./connection.ts";

export interface SupplyOptions {
  readonly client: pg.ClientConfig;
  readonly maxConnections: number;
  readonly maxLifetimeMs: number;
  readonly warn: (message: string) => void;
  /** Whoever keeps the connections is told what becomes of them. */
  readonly opened: (connection: Connection) => void;
  readonly lost: (connection: Connection) => void;
  readonly gone: (connection: Connection) => void;
  /** An attempt has failed; those that are still under way began at this moment or later. */
  readonly failed: (error: Error, oldestAttempt: number) => void;
}

/** A connection is recycled at a random moment in the last fifth of its lifetime, so that they do not all go at once. */
const RECYCLE_SPREAD = 0.2;
/** After a failed attempt, how long none is made. */
const RETRY_PAUSE_MS = 100;

/**
 * Opens connections and closes them. One that is being opened or closed counts against the maximum, so the server never
 * sees more. While the server refuses, there is one attempt at a time, with a pause between.
 */
export class ConnectionSupply {
  readonly #options: SupplyOptions;
  readonly #connections = new Set<Connection>();
  /** The last attempt, when it failed. */
  #failure: { readonly at: number; readonly error: Error } | undefined;
  #isHalted = false;

  constructor(options: SupplyOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#connections.size === 0;
  }

  get connections(): Iterable<Connection> {
    return this.#connections;
  }

  /** Whether one more may be opened. */
  get hasRoom(): boolean {
    return this.#connections.size < this.#options.maxConnections;
  }

  /** Whether one may come back that is on loan. */
  get awaitsReturn(): boolean {
    return [...this.#connections].some(({ state, isKept }) => state === "active" && !isKept);
  }

  /** How many connections are in which state. */
  counts() {
    const counts = { opening: 0, idle: 0, active: 0, closing: 0 };
    for (const { state } of this.#connections) counts[state] += 1;
    return counts;
  }

  /** How many are open or will be soon, and not at the end of their lifetime. */
  freshCount(): number {
    const now = performance.now();
    return [...this.#connections].filter(
      ({ state, recycleAt }) => state === "opening" || (state !== "closing" && recycleAt > now),
    ).length;
  }

  /** Why there is no point in waiting: the server has just refused, and nothing is open that could still serve. */
  hopelessness(): Error | undefined {
    if (this.counts().opening > 0 || this.awaitsReturn || !this.#isPausing()) return undefined;
    return this.#failure?.error;
  }

  /** @throws DATABASE_UNAVAILABLE with the cause. */
  async open(): Promise<void> {
    const { client, maxLifetimeMs, opened, gone } = this.#options;
    const connection = newConnection(client, (broken, error) => this.#lost(broken, error), gone);
    this.#connections.add(connection);
    try {
      await openConnection(connection);
    } catch (error) {
      this.#connections.delete(connection);
      throw error;
    }
    this.#failure = undefined;
    const spread = 1 - RECYCLE_SPREAD * Math.random();
    connection.recycleAt = performance.now() + maxLifetimeMs * spread;
    opened(connection);
  }

  /** Opens up to so many more in the background, as far as the maximum and the server allow. */
  openMore(wanted: number): void {
    if (wanted <= 0 || this.#isHalted || this.#isPausing()) return;
    const room = this.#options.maxConnections - this.#connections.size;
    const allowed = this.#failure ? 1 - this.counts().opening : room;
    for (let count = 0; count < Math.min(wanted, room, allowed); count += 1) void this.#attempt();
  }

  close(connection: Connection): void {
    connection.state = "closing";
    closeConnection(connection.client);
  }

  /** Hangs up on all connections, also those on loan, and opens none until it is told to go on. */
  halt(): void {
    this.#isHalted = true;
    for (const { client } of this.#connections) abandonConnection(client);
  }

  goOn(): void {
    this.#isHalted = false;
    this.#failure = undefined;
  }

  /** The server has let go of it. False when that was known already, or when it never was open. */
  remove(connection: Connection): boolean {
    return connection.state !== "opening" && this.#connections.delete(connection);
  }

  async #attempt(): Promise<void> {
    try {
      await this.open();
    } catch (thrown) {
      const error = thrown as Error;
      const { message } = (error.cause ?? error) as Error;
      if (!this.#failure) this.#options.warn(`A database connection could not be opened: ${message}`);
      this.#failure = { at: performance.now(), error };
      const attempts = [...this.#connections].filter(({ state }) => state === "opening");
      this.#options.failed(error, Math.min(...attempts.map(({ startedAt }) => startedAt)));
    }
  }

  #isPausing(): boolean {
    return this.#failure !== undefined && performance.now() - this.#failure.at < RETRY_PAUSE_MS;
  }

  #lost(connection: Connection, error: Error): void {
    const { state, isBroken } = connection;
    connection.isBroken = true;
    if (isBroken || state === "opening" || state === "closing") return;
    this.#options.warn(`A database connection was lost: ${error.message}`);
    this.#options.lost(connection);
  }
}
