import { connect as openSocket, type Socket } from "node:net";
import type pg from "pg";

// What is said to the server beside the connections, on sockets of their own that live for a moment.

/** PostgreSQL, "Message Formats": CancelRequest, SSLRequest. */
const CANCEL_REQUEST_CODE = 80_877_102;
const SSL_REQUEST_CODE = 80_877_103;
/** A server that does not take a cancel request for this long is not listening. */
const CANCEL_TIMEOUT_MS = 2_000;

/** What the driver knows and its types leave out. */
interface Credentials {
  readonly processID: number | null;
  readonly secretKey: number | null;
}

/**
 * Asks the server to cancel the statement that a connection has under way.
 * @returns whether the server has taken the request: by then it has acted on it, so that what is sent on the connection
 *   afterwards is safe from it ("Canceling Requests in Progress": the server closes the socket when it has).
 */
export async function cancelStatement(client: pg.Client): Promise<boolean> {
  const { processID, secretKey } = client as unknown as Credentials;
  if (processID === null || secretKey === null) return false;
  const socket = say(client, [CANCEL_REQUEST_CODE, processID, secretKey]);
  socket.setTimeout(CANCEL_TIMEOUT_MS, () => socket.destroy(new Error("no answer")));
  socket.resume();
  return new Promise((resolve) => socket.once("close", (hadError) => resolve(!hadError)));
}

/** Asks the server for any sign of life. @returns a promise of a reply or a refusal; destroy the socket to stop waiting. */
export function pingServer(client: pg.Client): { readonly answered: Promise<void>; stop(): void } {
  const socket = say(client, [SSL_REQUEST_CODE]);
  const answered = new Promise<void>((resolve) => {
    socket.once("data", () => socket.destroy());
    socket.once("error", () => resolve());
    socket.once("end", () => socket.destroy());
    socket.once("close", () => resolve());
  });
  return {
    answered,
    stop() {
      socket.removeAllListeners();
      socket.on("error", () => undefined);
      socket.destroy();
    },
  };
}

function say({ host, port }: pg.Client, words: readonly number[]): Socket {
  const message = Buffer.alloc(4 * (words.length + 1));
  for (const [index, word] of [message.length, ...words].entries()) message.writeInt32BE(word, index * 4);
  const socket = openSocket(host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port });
  socket.on("error", () => socket.destroy());
  socket.write(message);
  return socket;
}
