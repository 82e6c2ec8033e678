import { createServer, type RequestListener, type Server, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { ConfigurationError } from "../common/config.ts";
import { type ProblemCode, problemKinds } from "../common/problem.ts";
import { type HttpSocket, limitConnections } from "./connection-limit.ts";
import { problemDocument } from "./problem-response.ts";
import { cutSlowReaders } from "./slow-readers.ts";

const MAX_HEADER_BYTES = 16 * 1024;
/** With the interval at which they are checked, both are below ten seconds. */
const HEADERS_TIMEOUT_MS = 8_000;
const REQUEST_TIMEOUT_MS = 9_000;
const TIMEOUT_CHECK_INTERVAL_MS = 500;
/** Between requests; the Keep-Alive header of each reply tells clients. */
const KEEP_ALIVE_TIMEOUT_MS = 9_000;
const MAX_REQUESTS_PER_SOCKET = 100_000;
/** Where nothing else is said. */
const MAX_CONNECTIONS = 10_000;
/** Who was refused has this long to read why, then the socket is cut. */
const LINGER_MS = 1_000;
/** Once the server has stopped, sockets that are still open after this are cut. */
const LAST_REPLIES_MS = 5_000;

const openSockets = new WeakMap<Server, Set<Socket>>();

/** The HTTP server of the gateway, with every limit set: who sends slowly or too much is cut off. */
export function createHttpServer(listener: RequestListener, maxConnections = MAX_CONNECTIONS): Server {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
      noDelay: true,
      // Node would take the first of two Authorization or Host headers in silence; joined, they are seen and refused.
      joinDuplicateHeaders: true,
      // Node would answer without a problem document; `incoming.ts` refuses it.
      requireHostHeader: false,
    },
    listener,
  );
  const sockets = new Set<Socket>();
  openSockets.set(server, sockets);
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  limitConnections(server, maxConnections);
  const looking = cutSlowReaders(sockets);
  server.once("close", () => clearInterval(looking));
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_SOCKET;
  server.on("clientError", (error: ParserError, socket) => refuse(problemOfParser(error), socket as Socket));
  server.on("connect", (_, socket) => refuse("MALFORMED_REQUEST", socket as Socket));
  // RFC 9110 §10.1.1: an expectation that is not known may be ignored.
  server.on("checkExpectation", listener);
  return server;
}

/** Opens the port of the HTTP API. @throws {ConfigurationError} when it cannot be opened. */
export function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", ({ message }) =>
      reject(
        new ConfigurationError(`SERVER_PORT ${port} of SERVER_HOST ${host} cannot be opened: ${message}`),
      ),
    );
    server.listen(port, host, resolve);
  });
}

/** Takes no more connections, and waits until those that are busy have had their replies. */
export async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  // Browsers connect ahead of need; Node counts a connection on which nothing has come as busy.
  for (const socket of openSockets.get(server) ?? []) if (socket.bytesRead === 0) socket.destroy();
  setTimeout(() => server.closeAllConnections(), LAST_REPLIES_MS).unref();
  await closed;
}

type ParserError = Error & {
  readonly code?: string;
  readonly rawPacket?: Buffer;
  readonly bytesParsed?: number;
};

/** What Node's parser refuses never becomes a request; its sender is told in the same form as everybody else. */
function refuse(code: ProblemCode | undefined, socket: HttpSocket): void {
  if (!code || !socket.writable || socket._httpMessage?.headersSent) {
    socket.destroy();
    return;
  }
  const { status } = problemKinds[code];
  const body = JSON.stringify(problemDocument(code, {}, "/"));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n` +
      "Content-Type: application/problem+json\r\n" +
      `Content-Length: ${Buffer.byteLength(body)}\r\n` +
      "Cache-Control: no-store\r\n" +
      `Connection: close\r\n\r\n${body}`,
  );
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

/** Undefined when there is nobody to tell. */
function problemOfParser({ code, rawPacket, bytesParsed }: ParserError): ProblemCode | undefined {
  if (code === "ECONNRESET") return undefined;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return "REQUEST_TIMEOUT";
  if (code !== "HPE_HEADER_OVERFLOW") return "MALFORMED_REQUEST";
  // Too much before the end of the first line: it is the address.
  return rawPacket?.subarray(0, bytesParsed).includes("\n") ? "HEADERS_TOO_LARGE" : "URI_TOO_LONG";
}
