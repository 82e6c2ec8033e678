import type { Socket } from "node:net";
import pg from "pg";
import { problem } from "../problem.ts";
import { cancelStatement } from "./aside.ts";
import { READ_ONLY_SQL_TRANSACTION } from "./sql-states.ts";

/** A connection on loan; `release` gives it back, and with an error it is closed instead. */
export interface PooledClient {
  /** The server's process for it, as the server said when it was opened. */
  readonly processId: number | null;
  readonly query: pg.Client["query"];
  release(error?: Error | boolean): void;
  /** Tells the borrower, until the release, of notifications and of the loss of the connection. */
  on(event: "notification" | "end", listener: (message: pg.Notification) => void): void;
}

/** A connection to PostgreSQL, from the attempt to open it until the server has let go of it. */
export interface Connection {
  readonly client: pg.Client;
  readonly startedAt: number;
  state: "opening" | "idle" | "active" | "closing";
  /** The driver has reported an error of the connection itself: it can only be closed. */
  isBroken: boolean;
  /** Its borrower means to keep it: nobody need wait for it to come back. */
  isKept: boolean;
  idleSince: number;
  recycleAt: number;
  /** What the server had said at the last look, and how many looks long it has owed an answer without a byte. */
  heardBytes: number;
  quietLooks: number;
  heardAt: number;
}

/** What the driver knows and its types leave out. */
interface Internals {
  readonly readyForQuery?: boolean;
  readonly processID: number | null;
  readonly connection: NodeJS.EventEmitter & { readonly stream: Socket; end(): void };
}

/** A statement that runs longer than any request may is stopped by the server. */
export const STATEMENT_TIMEOUT_MS = 15_000;
/** For the rest of a reply whose first part was an error; what takes longer is a statement that nobody waits for. */
const SETTLE_TIMEOUT_MS = 100;
/** A server that does not confirm a goodbye for this long is hung up on. */
const CLOSE_TIMEOUT_MS = 2_000;
/** A connection that is younger has met the server that there is. */
const READ_ONLY_PATIENCE_MS = 1_000;

/** @param lost told about an error of the connection itself. @param gone told when the server has let go of it. */
export function newConnection(
  config: pg.ClientConfig,
  lost: (connection: Connection, error: Error) => void,
  gone: (connection: Connection) => void,
): Connection {
  const client = new pg.Client(config);
  const connection: Connection = {
    client,
    startedAt: performance.now(),
    state: "opening",
    isBroken: false,
    isKept: false,
    idleSince: 0,
    recycleAt: 0,
    heardBytes: 0,
    quietLooks: 0,
    heardAt: 0,
  };
  // Without a listener, a connection that the server drops would end the process.
  client.on("error", (error) => lost(connection, error));
  client.on("end", () => gone(connection));
  internalsOf(client).connection.on("errorMessage", ({ code }: { readonly code?: string }) => {
    const now = performance.now();
    if (code === READ_ONLY_SQL_TRANSACTION && now - connection.startedAt > READ_ONLY_PATIENCE_MS)
      connection.recycleAt = now;
  });
  return connection;
}

/** @throws DATABASE_UNAVAILABLE with the cause. */
export async function openConnection({ client }: Connection): Promise<void> {
  try {
    await client.connect();
  } catch (error) {
    abandonConnection(client);
    // Of several addresses that were tried, one speaks for all.
    const cause = (error as Partial<AggregateError>).errors?.[0] ?? error;
    throw Object.assign(problem("DATABASE_UNAVAILABLE"), { cause });
  }
}

/**
 * Says, at once if it can, whether a connection that is given back may be lent again: no statement is under way on it
 * and no transaction open. The driver reports an error before the server's reply is complete, so the rest is awaited.
 */
export function whenSettled(client: pg.Client, settled: (isClean: boolean) => void): void {
  if (!isBusy(client)) return settled(client.getTransactionStatus() === "I");
  const finish = () => {
    clearTimeout(timer);
    client.off("drain", finish);
    settled(!isBusy(client) && client.getTransactionStatus() === "I");
  };
  const timer = setTimeout(finish, SETTLE_TIMEOUT_MS);
  client.on("drain", finish);
}

/**
 * Says goodbye. The socket is kept until the server closes it, so that the server's count is ours; a statement that is
 * under way is cancelled, because it would keep the server from hearing the goodbye.
 */
export function closeConnection(client: pg.Client): void {
  const { connection } = internalsOf(client);
  const timer = setTimeout(() => connection.stream.destroy(), CLOSE_TIMEOUT_MS);
  client.once("end", () => clearTimeout(timer));
  if (isBusy(client)) void cancelStatement(client);
  connection.end();
}

/** Hangs up without a word: to a server that does not answer, there is nothing to say. */
export function abandonConnection(client: pg.Client): void {
  internalsOf(client).connection.stream.destroy();
}

/** Whether a statement is under way. */
export function isBusy(client: pg.Client): boolean {
  return internalsOf(client).readyForQuery !== true;
}

/** How much the server has said on it so far. */
export function bytesHeard(client: pg.Client): number {
  return internalsOf(client).connection.stream.bytesRead;
}

export function processIdOf(client: pg.Client): number | null {
  return internalsOf(client).processID;
}

function internalsOf(client: pg.Client): Internals {
  return client as unknown as Internals;
}
