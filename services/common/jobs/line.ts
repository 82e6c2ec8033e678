import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import type { PooledClient } from "../database/connection.ts";
import type { ConnectionPool } from "../database/pool.ts";
import type { Query } from "../database/transaction.ts";
import { withLimit } from "./persistence.ts";

const RECONNECT_PAUSE_MS = 200;
/** So often the connection is given back and another borrowed: the pool's lifetimes hold for it too. */
const RENEWAL_INTERVAL_MS = 60_000;

export interface LineOptions {
  readonly pool: ConnectionPool;
  readonly channel: string;
  /** Something was told on the channel, or may have been while nobody listened. */
  readonly heard: (message: string | undefined) => void;
}

/**
 * One connection of the pool that stays borrowed: it listens to a channel, and takes the statements that must not wait
 * for a connection when the others are all in use. When it is lost, another is borrowed as soon as there is one.
 */
export class Line {
  readonly #options: LineOptions;
  #connected = Promise.withResolvers<PooledClient>();
  #client: PooledClient | undefined;
  #renewal: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  begin(): void {
    void this.#connect();
    this.#renewal = setInterval(() => void this.#renew(), RENEWAL_INTERVAL_MS);
    this.#renewal.unref();
  }

  /** Runs a statement; waits for the connection when there is none. */
  readonly query: Query = async <Row extends pg.QueryResultRow>(statement: pg.QueryConfig) => {
    const client = await this.#connected.promise;
    try {
      const { rows } = await client.query<Row>(withLimit(statement));
      return rows;
    } catch (error) {
      // A server that gives no answer may never have heard the question, and the connection never tell.
      if (!(error instanceof pg.DatabaseError)) this.#lost(client);
      throw error;
    }
  };

  async end(): Promise<void> {
    this.#isEnded = true;
    clearInterval(this.#renewal);
    // Those who still wait for it are told; nobody may be left, and then it is no error.
    this.#connected.promise.catch(() => undefined);
    this.#connected.reject(new Error("The jobs have ended."));
    await this.#giveBack();
  }

  async #connect(): Promise<void> {
    while (!this.#isEnded) {
      const client = await this.#open().catch(() => undefined);
      if (!client) {
        await pause(RECONNECT_PAUSE_MS);
        continue;
      }
      this.#client = client;
      if (this.#isEnded) return this.#giveBack();
      this.#connected.resolve(client);
      this.#options.heard(undefined);
      return;
    }
  }

  async #open(): Promise<PooledClient> {
    const { pool, channel, heard } = this.#options;
    const client = await pool.connect();
    client.on("notification", (message) => {
      if (message.channel === channel) heard(message.payload);
    });
    client.on("end", () => this.#lost(client));
    try {
      await client.query(withLimit({ text: `listen "${channel}"` }));
      return client;
    } catch (error) {
      client.release(error as Error);
      throw error;
    }
  }

  #lost(client: PooledClient): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    client.release(new Error("The connection was lost."));
    this.#reconnect();
  }

  async #renew(): Promise<void> {
    if (!this.#client) return;
    await this.#giveBack();
    this.#reconnect();
  }

  #reconnect(): void {
    if (this.#isEnded) return;
    this.#connected = Promise.withResolvers();
    void this.#connect();
  }

  /** After what is under way on it. */
  async #giveBack(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (!client) return;
    const fault = await client.query(withLimit({ text: "unlisten *" })).then(
      () => undefined,
      (error: Error) => error,
    );
    client.release(fault);
  }
}
