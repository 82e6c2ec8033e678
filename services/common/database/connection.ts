import { connect as openSocket, type Socket } from "node:net";
import pg from "pg";
import { problem } from "../problem.ts";

/** A connection on loan; `release` gives it back, and with an error it is closed instead. */
export interface PooledClient {
  readonly query: pg.Client["query"];
  readonly release: (error?: Error | boolean) => void;
  /** Tells the borrower, until the release, of notifications and of the loss of the connection. */
  readonly on: (event: "notification" | "end", listener: (message: pg.Notification) => void) => void;
}

/** A connection to PostgreSQL, from the attempt to open it until the server has let go of it. */
export interface Connection {
  readonly client: pg.Client;
  readonly startedAt: number;
  state: "opening" | "idle" | "active" | "closing";
  /** The driver has reported an error of the connection itself: it can only be closed. */
  isBroken: boolean;
  idleSince: number;
  recycleAt: number;
}

/** What the driver knows and its types leave out. */
interface Internals {
  readonly readyForQuery?: boolean;
  readonly connection: { readonly stream: Socket; end(): void };
  readonly processID: number | null;
  readonly secretKey: number | null;
}

/** For the rest of a reply whose first part was an error; what takes longer is a statement that nobody waits for. */
const SETTLE_TIMEOUT_MS = 100;
/** A server that does not confirm a goodbye for this long is hung up on. */
const CLOSE_TIMEOUT_MS = 2_000;
/** PostgreSQL, "Message Formats": CancelRequest. */
const CANCEL_REQUEST_CODE = 80_877_102;

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
    idleSince: 0,
    recycleAt: 0,
  };
  // Without a listener, a connection that the server drops would end the process.
  client.on("error", (error) => lost(connection, error));
  client.on("end", () => gone(connection));
  return connection;
}

/** @throws DATABASE_UNAVAILABLE with the cause. */
export async function openConnection({ client }: Connection): Promise<void> {
  try {
    await client.connect();
  } catch (error) {
    (client as unknown as Internals).connection.stream.destroy();
    // Of several addresses that were tried, one speaks for all.
    const cause = (error as Partial<AggregateError>).errors?.[0] ?? error;
    throw Object.assign(problem("DATABASE_UNAVAILABLE"), { cause });
  }
}

/** One borrower's hold of a connection: whoever goes on using it after its release disturbs nobody but himself. */
export function loanOf(client: pg.Client, takeBack: (error?: Error | boolean) => void): PooledClient {
  let released = false;
  const listeners: [event: string, listener: (message: pg.Notification) => void][] = [];
  // As the driver's types have it, each event has an overload of its own.
  const emitter: NodeJS.EventEmitter = client;
  function query(...parameters: Parameters<pg.Client["query"]>): unknown {
    if (released) throw new Error("A database connection was used after its release.");
    return client.query(...parameters);
  }
  return {
    query: query as unknown as pg.Client["query"],
    release: (error) => {
      if (released) throw new Error("A database connection was released twice.");
      released = true;
      for (const [event, listener] of listeners) emitter.off(event, listener);
      takeBack(error);
    },
    on: (event, listener) => {
      listeners.push([event, listener]);
      emitter.on(event, listener);
    },
  };
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
  const { connection } = client as unknown as Internals;
  const timer = setTimeout(() => connection.stream.destroy(), CLOSE_TIMEOUT_MS);
  client.once("end", () => clearTimeout(timer));
  if (isBusy(client)) cancelStatement(client);
  connection.end();
}

function isBusy(client: pg.Client): boolean {
  return (client as unknown as Internals).readyForQuery !== true;
}

function cancelStatement(client: pg.Client): void {
  const { processID, secretKey } = client as unknown as Internals;
  if (processID === null || secretKey === null) return;
  const request = Buffer.alloc(16);
  for (const [index, word] of [request.length, CANCEL_REQUEST_CODE, processID, secretKey].entries()) {
    request.writeInt32BE(word, index * 4);
  }
  const { host, port } = client;
  const socket = openSocket(host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port });
  socket.on("error", () => socket.destroy());
  socket.setTimeout(CLOSE_TIMEOUT_MS, () => socket.destroy());
  socket.end(request);
}
