import type pg from "pg";
import { presentWork, type Work } from "../deadline.ts";
import { problem } from "../problem.ts";
import { type Connection, type PooledClient, whenSettled } from "./connection.ts";
import { ConnectionSupply } from "./connection-supply.ts";
import { Guard } from "./guard.ts";
import { Loan, runOn } from "./loan.ts";
import type { PoolMetrics } from "./pool-metrics.ts";
import { retryConflicts } from "./retry.ts";
import { WaitingLine } from "./waiting-line.ts";

export interface PoolOptions {
  /** How each connection is opened; its `connectionTimeoutMillis` bounds the opening. */
  readonly client: pg.ClientConfig;
  readonly maxConnections: number;
  readonly minConnections: number;
  readonly acquireTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
  readonly metrics: PoolMetrics;
  /** Told about connections that were lost or could not be opened. */
  readonly warn: (message: string) => void;
}

/** So often idle times, lifetimes and the minimum are looked after. */
const UPKEEP_INTERVAL_MS = 250;

/**
 * A pool of PostgreSQL connections whose six settings mean what the README says, exactly:
 * a connection that is being opened or closed counts against the maximum, so the server never sees more;
 * the minimum is open when `open` resolves, and what falls below it later (idle, lifetime, a lost connection) is
 * replaced in the background; waiting is first come, first served, bounded in time and number.
 */
export class ConnectionPool {
  readonly maxConnections: number;
  readonly #options: PoolOptions;
  readonly #supply: ConnectionSupply;
  readonly #waiting: WaitingLine;
  readonly #guard: Guard;
  /** The most recently used last: the others grow old and can be closed. */
  readonly #idle: Connection[] = [];
  #upkeep: NodeJS.Timeout | undefined;
  #ending: PromiseWithResolvers<void> | undefined;

  constructor(options: PoolOptions) {
    this.maxConnections = options.maxConnections;
    this.#options = options;
    this.#supply = new ConnectionSupply({
      ...options,
      opened: (connection) => this.#opened(connection),
      lost: (connection) => this.#lost(connection),
      gone: (connection) => this.#gone(connection),
      failed: (error, oldestAttempt) => this.#refuseUnserved(error, oldestAttempt),
    });
    this.#waiting = new WaitingLine({
      maxConnections: options.maxConnections,
      timeoutMs: options.acquireTimeoutMs,
      metrics: options.metrics,
      // When nobody holds one, and still none came, it is the server that does not answer.
      timeoutProblem: () => problem(this.counts().active > 0 ? "POOL_EXHAUSTED" : "DATABASE_UNAVAILABLE"),
    });
    this.#guard = new Guard({
      ...options,
      supply: this.#supply,
      lendIdle: () => this.#lendIdle(),
      connect: () => this.connect(),
      closeIdle: (heardBefore) => this.#closeIdle(({ heardAt }) => heardAt <= heardBefore),
      fellSilent: () => this.#waiting.refuse(problem("DATABASE_UNAVAILABLE")),
      isBack: () => this.#refill(),
    });
    options.metrics.watch(() => this.counts());
  }

  /** Opens the minimum. @throws DATABASE_UNAVAILABLE with the cause; nothing is left open then. */
  async open(): Promise<void> {
    const openings = Array.from({ length: this.#options.minConnections }, () => this.#supply.open());
    try {
      await Promise.all(openings);
    } catch (error) {
      // What opens from now on is closed again.
      const ended = this.end();
      await Promise.allSettled(openings);
      this.#settleEnd();
      await ended;
      throw error;
    }
    if (this.#ending) throw problem("DATABASE_UNAVAILABLE");
    this.#upkeep = setInterval(() => this.#maintain(), UPKEEP_INTERVAL_MS).unref();
    this.#guard.begin();
  }

  /**
   * Borrows a connection.
   * @param askedAt since when the caller has been waiting already, as `performance.now()` gave it.
   * @throws POOL_EXHAUSTED when none became free in time or too many wait already; DATABASE_UNAVAILABLE when none can
   *   come; what the caller's work was given up for.
   */
  connect(askedAt = performance.now()): Promise<PooledClient> {
    if (this.#ending || this.#guard.isSilent) return Promise.reject(problem("DATABASE_UNAVAILABLE"));
    const work = presentWork();
    if (work?.fault) return Promise.reject(work.fault);
    const idle = this.#lendIdle();
    if (idle) {
      this.#options.metrics.acquired(0);
      return Promise.resolve(idle);
    }
    const waiting = this.#waiting.join(askedAt, work);
    this.#grow();
    const hopelessness = this.#supply.hopelessness();
    if (hopelessness) this.#waiting.refuse(hopelessness);
    return waiting;
  }

  /** Runs one statement, again if it conflicted with another's. With a `name` it is prepared once per connection. */
  query<Row extends pg.QueryResultRow>(statement: pg.QueryConfig, askedAt?: number): Promise<Row[]> {
    return retryConflicts(() => runOn(this.connect(askedAt), statement));
  }

  /** Closes all connections once the borrowed ones are back. */
  async end(): Promise<void> {
    if (this.#ending) return this.#ending.promise;
    this.#ending = Promise.withResolvers();
    clearInterval(this.#upkeep);
    this.#guard.end();
    this.#waiting.refuse(problem("DATABASE_UNAVAILABLE"));
    for (const connection of this.#idle.splice(0)) this.#close(connection);
    this.#settleEnd();
    await this.#ending.promise;
  }

  /** How many connections are in which state, and how many callers wait. */
  counts() {
    return { ...this.#supply.counts(), waiting: this.#waiting.length };
  }

  #lendIdle(): PooledClient | undefined {
    const idle = this.#idle.pop();
    return idle && this.#lend(idle, presentWork());
  }

  #lend(connection: Connection, work: Work | undefined): PooledClient {
    connection.state = "active";
    return new Loan(connection, work, (error) => this.#takeBack(connection, error));
  }

  #takeBack(connection: Connection, error: Error | boolean | undefined): void {
    if (connection.state !== "active") return;
    if (error || connection.isBroken) return this.#close(connection);
    whenSettled(connection.client, (isClean) => {
      if (connection.state !== "active") return;
      // A transaction that somebody left open must not reach the next borrower.
      if (isClean && !connection.isBroken) this.#free(connection);
      else this.#close(connection);
    });
  }

  /** Hands a connection to who waits longest, else keeps it idle. */
  #free(connection: Connection): void {
    const now = performance.now();
    const isExpired = now >= connection.recycleAt;
    if (this.#ending || (isExpired && this.#mayExpire(this.#spare()))) return this.#close(connection);
    if (this.#waiting.length > 0) return this.#waiting.serveNext((work) => this.#lend(connection, work));
    connection.state = "idle";
    connection.idleSince = now;
    // One that is too old stays until its successor is there, as the last to be lent.
    if (isExpired) this.#idle.unshift(connection);
    else this.#idle.push(connection);
  }

  #close(connection: Connection): void {
    this.#supply.close(connection);
    this.#refill();
  }

  #opened(connection: Connection): void {
    this.#free(connection);
    this.#grow();
    this.#refill();
  }

  #lost(connection: Connection): void {
    if (connection.state !== "idle") return;
    this.#idle.splice(this.#idle.indexOf(connection), 1);
    this.#close(connection);
  }

  /** The server has let go of a connection that was open: make up for it. */
  #gone(connection: Connection): void {
    if (!this.#supply.remove(connection)) return;
    if (connection.state === "idle") this.#idle.splice(this.#idle.indexOf(connection), 1);
    connection.state = "closing";
    this.#settleEnd();
    this.#grow();
    this.#refill();
  }

  // None could be opened. Unless one that is in use may still serve them, those who wait are refused; but those who came
  // only after an attempt that is still under way have yet to see it fail.
  #refuseUnserved(error: Error, oldestAttempt: number): void {
    if (!this.#supply.awaitsReturn) this.#waiting.refuse(error, oldestAttempt);
    this.#settleEnd();
  }

  /** Opens connections for those who wait, as far as the maximum allows. */
  #grow(): void {
    if (!this.#ending) this.#supply.openMore(this.#waiting.length - this.counts().opening);
  }

  /** Opens what is missing to the minimum; what is at the end of its lifetime does not count any more. */
  #refill(): void {
    if (this.#ending) return;
    this.#supply.openMore(this.#options.minConnections - this.#supply.freshCount());
  }

  /** How many connections are open beyond the minimum. */
  #spare(): number {
    return this.#idle.length + this.counts().active - this.#options.minConnections;
  }

  /** Whether one may go at the end of its lifetime: the minimum stays open, or a successor has no room beside it. */
  #mayExpire(spare: number): boolean {
    return spare > 0 || this.#options.minConnections === this.#options.maxConnections;
  }

  /** Closes what was idle for too long or is at the end of its lifetime, and fills up to the minimum. */
  #maintain(): void {
    const now = performance.now();
    let spare = this.#spare();
    this.#closeIdle((connection) => {
      const isUnused = now - connection.idleSince >= this.#options.idleTimeoutMs && spare > 0;
      const isToGo = isUnused || (now >= connection.recycleAt && this.#mayExpire(spare));
      if (isToGo) spare -= 1;
      return isToGo;
    });
    this.#refill();
    this.#grow();
  }

  #closeIdle(isToClose: (connection: Connection) => boolean): void {
    for (const connection of this.#idle.filter(isToClose)) {
      this.#idle.splice(this.#idle.indexOf(connection), 1);
      this.#close(connection);
    }
  }

  #settleEnd(): void {
    if (this.#supply.isEmpty) this.#ending?.resolve();
  }
}
