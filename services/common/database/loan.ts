import pg from "pg";
import { type Follower, presentWork, type Work } from "../deadline.ts";
import { spanOfStatement } from "../tracing/statements.ts";
import { tracing } from "../tracing.ts";
import { cancelStatement } from "./aside.ts";
import {
  type Connection,
  isBusy,
  type PooledClient,
  processIdOf,
  STATEMENT_TIMEOUT_MS,
} from "./connection.ts";

type TakeBack = (error?: Error | boolean) => void;

const BEGINS = /^\s*(begin|start transaction)\b[^;]*$/i;
const ENDS = /^\s*(commit|rollback|end)\b/i;
const ROLLBACK = /^\s*rollback\b/i;

/**
 * One borrower's hold of a connection: whoever goes on using it after its release disturbs nobody but himself. When the
 * work that it was borrowed for is given up, the statement that is under way is cancelled, and no other is run but a
 * rollback. The connection goes back only after the server has dealt with that: a cancel that came late would hit the
 * next borrower's statement.
 */
export class Loan implements PooledClient, Follower {
  readonly #connection: Connection;
  readonly #work: Work | undefined;
  readonly #takeBack: TakeBack;
  #isReleased = false;
  #listeners: [event: string, listener: (message: pg.Notification) => void][] | undefined;
  #cancelling: Promise<boolean> | undefined;
  /** The end of a transaction is under way: what is nearly done is let be done. */
  #isEnding = false;

  constructor(connection: Connection, work: Work | undefined, takeBack: TakeBack) {
    this.#connection = connection;
    this.#work = work;
    this.#takeBack = takeBack;
    work?.join(this);
  }

  get processId(): number | null {
    return processIdOf(this.#connection.client);
  }

  readonly query = ((...parameters: Parameters<pg.Client["query"]>): unknown => {
    if (this.#isReleased) throw new Error("A database connection was used after its release.");
    const statement: unknown = parameters[0];
    const text = typeof statement === "string" ? statement : (statement as { readonly text?: string }).text;
    if (this.#work?.fault && !ROLLBACK.test(text ?? "")) throw this.#work.fault;
    this.#isEnding = text !== undefined && ENDS.test(text);
    const begins = typeof statement === "string" && BEGINS.test(statement);
    const given = begins ? [withLimit(statement, this.#work?.remainingMs)] : parameters;
    const send = () => this.#connection.client.query(...(given as typeof parameters));
    return tracing?.isRecording() ? tracing.below(spanOfStatement(statement), send) : send();
  }) as unknown as pg.Client["query"];

  release(error?: Error | boolean): void {
    if (this.#isReleased) throw new Error("A database connection was released twice.");
    this.#isReleased = true;
    this.#work?.leave(this);
    const emitter: NodeJS.EventEmitter = this.#connection.client;
    for (const [event, listener] of this.#listeners ?? []) emitter.off(event, listener);
    this.#connection.isKept = false;
    if (!this.#cancelling) return this.#takeBack(error);
    void this.#cancelling.then((isTaken) => this.#takeBack(error || !isTaken));
  }

  on(event: "notification" | "end", listener: (message: pg.Notification) => void): void {
    // Who listens for notifications does not mean to give it back soon.
    if (event === "notification") this.#connection.isKept = true;
    this.#listeners ??= [];
    this.#listeners.push([event, listener]);
    // As the driver's types have it, each event has an overload of its own.
    const emitter: NodeJS.EventEmitter = this.#connection.client;
    emitter.on(event, listener);
  }

  /** The statement that is under way is of no use any more. */
  givenUp(): void {
    if (this.#isEnding || !isBusy(this.#connection.client)) return;
    this.#cancelling = cancelStatement(this.#connection.client);
  }
}

/**
 * Where less time is left than the connection's own limit gives, each statement of the transaction gets no more than that
 * from the server itself: should this process not be there to cancel it, nothing holds locks for longer than anybody waits.
 */
function withLimit(beginning: string, remainingMs = Number.POSITIVE_INFINITY): string {
  if (remainingMs >= STATEMENT_TIMEOUT_MS) return beginning;
  return `${beginning}; set local statement_timeout = ${Math.ceil(remainingMs) + 1}`;
}

/** Runs one statement on a connection that is borrowed for it. */
export async function runOn<Row extends pg.QueryResultRow>(
  borrowing: Promise<PooledClient>,
  statement: pg.QueryConfig,
): Promise<Row[]> {
  const client = await borrowing;
  try {
    const { rows } = await client.query<Row>(statement);
    client.release();
    return rows;
  } catch (error) {
    // After an error of its own, the server goes on; and a refusal of ours has disturbed nothing.
    const isSpared = error instanceof pg.DatabaseError || error === presentWork()?.fault;
    client.release(isSpared ? undefined : (error as Error));
    throw error;
  }
}
