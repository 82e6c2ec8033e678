import type { Socket } from "node:net";
import pg from "pg";
import { problem } from "../problem.ts";
import type { PoolMetrics } from "./pool-metrics.ts";

export interface PoolOptions {
  /** How each connection is opened; its `connectionTimeoutMillis` bounds the opening. */
  readonly client: pg.ClientConfig;
  readonly maxConnections: number;
  readonly minConnections: number;
  readonly acquireTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
  readonly metrics: PoolMetrics;
  /** Told about connections that were lost or could not be opened in the background. */
  readonly warn: (message: string) => void;
}

/** A connection on loan; `release` gives it back, and with an error it is closed instead. */
export type PooledClient = pg.Client & { release: (error?: Error | boolean) => void };

interface Connection {
  readonly client: PooledClient;
  state: "opening" | "idle" | "active" | "closing";
  idleSince: number;
  recycleAt: number;
}

interface Waiter {
  readonly resolve: (client: PooledClient) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
  readonly since: number;
}

/** More requests than this many per connection are refused at once rather than queued. */
const MAX_WAITING_PER_CONNECTION = 50;
/** A connection is recycled at a random moment in the last fifth of its lifetime, so that they do not all go at once. */
const RECYCLE_SPREAD = 0.2;
/** How often idle times, lifetimes and the minimum are looked after. */
const UPKEEP_INTERVAL_MS = 500;
/** A server that does not confirm a goodbye for this long is hung up on. */
const CLOSE_TIMEOUT_MS = 2_000;

/**
 * A pool of PostgreSQL connections whose six settings mean what the README says, exactly:
 * a connection that is being opened or closed counts against the maximum, so the server never sees more;
 * the minimum is open when `open` resolves, and what falls below it later (idle, lifetime, a lost connection) is
 * replaced in the background; waiting is first come, first served, bounded in time and number.
 */
export class ConnectionPool {
  readonly #options: PoolOptions;
  readonly #connections = new Set<Connection>();
  /** The most recently used last: the others grow old and can be closed. */
  readonly #idle: Connection[] = [];
  readonly #waiters: Waiter[] = [];
  #upkeep: NodeJS.Timeout | undefined;
  #ending: PromiseWithResolvers<void> | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    options.metrics.watch(() => this.counts());
  }

  /** Opens the minimum. @throws DATABASE_UNAVAILABLE with the cause. */
  async open(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.minConnections }, () => this.#open()));
    this.#upkeep = setInterval(() => this.#maintain(), UPKEEP_INTERVAL_MS);
    this.#upkeep.unref();
  }

  /**
   * Borrows a connection.
   * @throws POOL_EXHAUSTED when none became free in time or too many wait already; DATABASE_UNAVAILABLE when none can be opened.
   */
  connect(): Promise<PooledClient> {
    if (this.#ending) return Promise.reject(problem("DATABASE_UNAVAILABLE"));
    const idle = this.#idle.pop();
    if (idle) {
      this.#options.metrics.acquired(0);
      return Promise.resolve(this.#lend(idle));
    }
    if (this.#waiters.length >= this.#options.maxConnections * MAX_WAITING_PER_CONNECTION) {
      this.#options.metrics.refused();
      return Promise.reject(problem("POOL_EXHAUSTED"));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#giveUp(waiter), this.#options.acquireTimeoutMs);
      const waiter: Waiter = { resolve, reject, timer, since: performance.now() };
      this.#waiters.push(waiter);
      this.#grow();
    });
  }

  /** Runs one statement on a borrowed connection. With a `name` it is prepared once per connection. */
  async query<Row extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<Row[]> {
    const client = await this.connect();
    try {
      const { rows } = await client.query<Row>(statement);
      client.release();
      return rows;
    } catch (error) {
      client.release(error instanceof pg.DatabaseError ? undefined : (error as Error));
      throw error;
    }
  }

  /** Closes all connections once the borrowed ones are back. */
  async end(): Promise<void> {
    if (this.#ending) return this.#ending.promise;
    this.#ending = Promise.withResolvers();
    clearInterval(this.#upkeep);
    for (const waiter of this.#waiters.splice(0)) this.#refuse(waiter, problem("DATABASE_UNAVAILABLE"));
    for (const connection of this.#idle.splice(0)) this.#close(connection);
    this.#settleEnd();
    await this.#ending.promise;
  }

  /** How many connections are in which state, and how many callers wait. */
  counts() {
    const counts = { opening: 0, idle: 0, active: 0, closing: 0, waiting: this.#waiters.length };
    for (const { state } of this.#connections) counts[state] += 1;
    return counts;
  }

  #lend(connection: Connection): PooledClient {
    connection.state = "active";
    return connection.client;
  }

  /** Opens connections for those who wait, as far as the maximum allows. */
  #grow(): void {
    let { opening } = this.counts();
    while (opening < this.#waiters.length && this.#connections.size < this.#options.maxConnections) {
      opening += 1;
      this.#open().catch((error) => this.#refuseUnserved(error));
    }
  }

  /** No connection could be opened: those who wait are refused, unless one that is in use may still serve them. */
  #refuseUnserved(error: Error): void {
    const { opening, active } = this.counts();
    if (opening + active > 0) return;
    for (const waiter of this.#waiters.splice(0)) this.#refuse(waiter, error);
  }

  async #open(): Promise<void> {
    const client = new pg.Client(this.#options.client) as PooledClient;
    const connection: Connection = { client, state: "opening", idleSince: 0, recycleAt: 0 };
    this.#connections.add(connection);
    // Without a listener, a connection that the server drops would end the process.
    client.on("error", (error) => this.#lost(connection, error));
    client.on("end", () => this.#gone(connection));
    try {
      await client.connect();
    } catch (cause) {
      this.#connections.delete(connection);
      this.#settleEnd();
      throw Object.assign(problem("DATABASE_UNAVAILABLE"), { cause });
    }
    const spread = 1 - RECYCLE_SPREAD * Math.random();
    connection.recycleAt = performance.now() + this.#options.maxLifetimeMs * spread;
    this.#free(connection);
  }

  /** Hands a connection to who waits longest, else keeps it idle. */
  #free(connection: Connection): void {
    if (this.#ending || performance.now() >= connection.recycleAt) return this.#close(connection);
    const waiter = this.#waiters.shift();
    if (waiter) {
      clearTimeout(waiter.timer);
      this.#options.metrics.acquired((performance.now() - waiter.since) / 1000);
      connection.client.release = this.#releaseOnce(connection);
      waiter.resolve(this.#lend(connection));
      return;
    }
    connection.client.release = this.#releaseOnce(connection);
    connection.state = "idle";
    connection.idleSince = performance.now();
    this.#idle.push(connection);
  }

  #releaseOnce(connection: Connection): (error?: Error | boolean) => void {
    let released = false;
    return (error) => {
      if (released) throw new Error("A database connection was released twice.");
      released = true;
      if (connection.state !== "active") return;
      // A transaction that somebody left open must not reach the next borrower.
      const clean = !error && connection.client.getTransactionStatus() === "I";
      if (clean) this.#free(connection);
      else this.#close(connection);
    };
  }

  #close(connection: Connection): void {
    connection.state = "closing";
    const { stream } = (connection.client as unknown as { connection: { stream: Socket } }).connection;
    const timer = setTimeout(() => stream.destroy(), CLOSE_TIMEOUT_MS);
    const closed = () => {
      clearTimeout(timer);
      this.#gone(connection);
    };
    connection.client.end().then(closed, closed);
  }

  #lost(connection: Connection, error: Error): void {
    if (connection.state === "idle" || connection.state === "active") {
      this.#options.warn(`A database connection was lost: ${error.message}`);
    }
    if (connection.state === "idle") {
      this.#idle.splice(this.#idle.indexOf(connection), 1);
      this.#close(connection);
    }
  }

  /** The server has let go of a connection that was open: make up for it. */
  #gone(connection: Connection): void {
    if (connection.state === "opening" || !this.#connections.delete(connection)) return;
    if (connection.state === "idle") this.#idle.splice(this.#idle.indexOf(connection), 1);
    connection.state = "closing";
    this.#settleEnd();
    if (this.#ending) return;
    this.#grow();
    this.#refill();
  }

  #settleEnd(): void {
    if (this.#connections.size === 0) this.#ending?.resolve();
  }

  #giveUp(waiter: Waiter): void {
    this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
    // Nobody holds one, and still none came: it is the server that does not answer.
    const busy = this.counts().active > 0;
    if (busy) this.#options.metrics.timedOut();
    this.#refuse(waiter, problem(busy ? "POOL_EXHAUSTED" : "DATABASE_UNAVAILABLE"));
  }

  #refuse(waiter: Waiter, error: Error): void {
    clearTimeout(waiter.timer);
    waiter.reject(error);
  }

  /** Closes what was idle for too long or is at the end of its lifetime, then fills up to the minimum. */
  #maintain(): void {
    const now = performance.now();
    const { minConnections, maxConnections, idleTimeoutMs } = this.#options;
    const { closing } = this.counts();
    let spare = this.#connections.size - closing - minConnections;
    for (const connection of [...this.#idle]) {
      const expired = now >= connection.recycleAt;
      const unused = now - connection.idleSince >= idleTimeoutMs && spare > 0;
      if (!expired && !unused) continue;
      // Open the successor first where there is room, so that the minimum stays open throughout.
      if (expired && spare <= 0 && this.#connections.size < maxConnections) {
        this.#openInBackground();
        continue;
      }
      this.#idle.splice(this.#idle.indexOf(connection), 1);
      this.#close(connection);
      spare -= 1;
    }
    this.#refill();
    this.#grow();
  }

  #refill(): void {
    const { closing } = this.counts();
    const missing = this.#options.minConnections - (this.#connections.size - closing);
    const room = this.#options.maxConnections - this.#connections.size;
    for (let count = 0; count < Math.min(missing, room); count += 1) this.#openInBackground();
  }

  #openInBackground(): void {
    this.#open().catch((error) => {
      this.#options.warn(`A database connection could not be opened: ${(error.cause as Error).message}`);
    });
  }
}
