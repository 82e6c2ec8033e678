import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { sendProblem } from "./problem-response.ts";

const MAX_URL_LENGTH = 8192;
/** Node would drop those past its own limit without a word. */
const MAX_HEADERS = 100;
const TOO_MANY_HEADERS = { detail: `The request must have at most ${MAX_HEADERS} headers.` };
const REQUEST_ID = /^[\w-]{8,64}$/;
/** RFC 9112 §3.2.2: clients of proxies send the whole URL; a server must take it. */
const ORIGIN = /^https?:\/\/[^/?#]*/i;

/** A request whose address and id are settled. */
export type IncomingRequest = IncomingMessage & {
  /** Path and query without the prefix; moleculer-web finds the route by it. */
  originalUrl: string;
  requestId: string;
  /** What came before the path, so that replies can name addresses as this client sees them. */
  prefix: "" | "/api";
};

/**
 * Gives the request its id, and takes `/api` off its address.
 * Answers false when it was refused: its address is too long, it has too many headers, or it does not name one host
 * (RFC 9112 §3.2).
 */
export function prepare(request: IncomingRequest, response: ServerResponse): boolean {
  const { headers } = request;
  const given = headers["x-request-id"];
  request.requestId = typeof given === "string" && REQUEST_ID.test(given) ? given : randomUUID();
  // moleculer-web reads the id from here, and prefers the second.
  headers["x-request-id"] = request.requestId;
  delete headers["x-correlation-id"];
  const url = pathOf(request.url ?? "/");
  request.prefix = url.startsWith("/api/") ? "/api" : "";
  request.originalUrl = url.slice(request.prefix.length);
  request.url = request.originalUrl;
  const hasTooManyHeaders = request.rawHeaders.length > 2 * MAX_HEADERS;
  if (url.length <= MAX_URL_LENGTH && !hasTooManyHeaders && namesOneHost(request)) return true;
  const refusal = { "X-Request-ID": request.requestId, Connection: "close" };
  if (url.length > MAX_URL_LENGTH) sendProblem(response, "URI_TOO_LONG", {}, "/", refusal);
  else if (hasTooManyHeaders) sendProblem(response, "HEADERS_TOO_LARGE", TOO_MANY_HEADERS, "/", refusal);
  else sendProblem(response, "MALFORMED_REQUEST", { detail: "Exactly one Host is required." }, "/", refusal);
  return false;
}

function pathOf(url: string): string {
  if (url.startsWith("/")) return url;
  const path = url.replace(ORIGIN, "");
  return path === "" || path.startsWith("?") ? `/${path}` : path;
}

function namesOneHost({ headers: { host }, httpVersion }: IncomingMessage): boolean {
  return host === undefined ? httpVersion !== "1.1" : !host.includes(",");
}
