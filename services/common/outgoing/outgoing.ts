import { Agent as HttpAgent, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { tracedFetch } from "../tracing/traced-fetch.ts";
import { type OutgoingRules, permissionFor } from "./hosts.ts";
import { OutgoingError } from "./outgoing-error.ts";
import { type Agents, anyLookup, type OutgoingRequest, publicLookup, type Resolve, send } from "./request.ts";

/** As the global one, but that it throws OutgoingError, never follows a redirect, and has read the whole body. */
export type OutgoingFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** The one way out. */
export interface Outgoing {
  readonly fetch: OutgoingFetch;
  /** Closes the connections that are kept. */
  close(): void;
}

export interface OutgoingOptions {
  readonly rules: OutgoingRules;
  /** For one request, the waiting for a connection and the body of the reply included. */
  readonly timeoutMs: number;
  readonly maxBodyBytes?: number;
  /** For tests. */
  readonly resolve?: Resolve;
}

const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** More requests than this, waiting ones included, are not taken on. */
const MAX_REQUESTS = 500;
const MAX_CONNECTIONS = 64;
const MAX_CONNECTIONS_PER_HOST = 8;
const IDLE_MS = 10_000;

const BODILESS = new Set([204, 205, 304]);

/** Opens the way out to the hosts that the rules allow, within limits of time, size and number. */
export function openOutgoing(options: OutgoingOptions): Outgoing {
  const { rules, timeoutMs, maxBodyBytes = MAX_BODY_BYTES, resolve } = options;
  // Connections to private hosts are not for others: a name that both may ask could be bound to either.
  const ways = {
    public: { agents: newAgents(), lookup: publicLookup(resolve) },
    private: { agents: newAgents(), lookup: anyLookup },
  };
  let underWay = 0;

  /** Providers are not told of traces: with those, they could tell which of their requests belong to one person's. */
  async function answer(sending: OutgoingRequest): Promise<Response> {
    const reply = await send(sending);
    const body = await bodyOf(reply, maxBodyBytes, sending.url);
    return responseOf(reply, body);
  }

  async function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = requestOf(input, init);
    const url = new URL(request.url);
    const permission = permissionFor(rules, url);
    if (permission === undefined) {
      throw new OutgoingError("not_allowed", `${url.host} is not among the hosts that may be asked`);
    }
    if (underWay >= MAX_REQUESTS) throw new OutgoingError("busy", "too many requests are under way");
    const limit = AbortSignal.timeout(timeoutMs);
    underWay += 1;
    try {
      request.signal.throwIfAborted();
      const sending = {
        url,
        method: request.method,
        headers: { ...Object.fromEntries(request.headers), "accept-encoding": "identity" },
        body: new Uint8Array(await request.arrayBuffer()),
        signal: AbortSignal.any([request.signal, limit]),
        ...ways[permission],
      };
      return await tracedFetch(url, request.method, () => answer(sending));
    } catch (error) {
      if (error instanceof OutgoingError) throw error;
      if (request.signal.aborted) throw request.signal.reason;
      if (limit.aborted) {
        throw new OutgoingError("timed_out", `${url.host} did not answer within ${timeoutMs} ms`);
      }
      throw failureOf(error, url);
    } finally {
      underWay -= 1;
    }
  }

  return {
    fetch,
    close() {
      for (const { agents } of Object.values(ways)) {
        agents.http.destroy();
        agents.https.destroy();
      }
    },
  };
}

function newAgents(): Agents {
  const options = {
    keepAlive: true,
    maxSockets: MAX_CONNECTIONS_PER_HOST,
    maxTotalSockets: MAX_CONNECTIONS,
    timeout: IDLE_MS,
  };
  return { http: new HttpAgent(options), https: new HttpsAgent(options) };
}

function requestOf(input: string | URL | Request, init?: RequestInit): Request {
  try {
    return new Request(input, init);
  } catch {
    // What it complains of may be the URL, with all that is in it.
    throw new OutgoingError("not_allowed", "what was to be asked is no request");
  }
}

/** Unlike `fetch`, a reply that is cut off or that says too much is an error before anybody has seen any of it. */
async function bodyOf(reply: IncomingMessage, maxBodyBytes: number, url: URL): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of reply as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    // Leaving the loop closes the connection.
    if (bytes > maxBodyBytes) {
      throw new OutgoingError("too_large", `${url.host} answered with more than ${maxBodyBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function responseOf({ statusCode: status = 0, headers }: IncomingMessage, body: Uint8Array): Response {
  const list = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((each): [string, string] => [name, each]),
  );
  return new Response(BODILESS.has(status) ? null : Buffer.from(body), { status, headers: list });
}

function failureOf(error: unknown, url: URL): OutgoingError {
  const { code = "", message = "" } = error as NodeJS.ErrnoException;
  if (code.startsWith("HPE_") || error instanceof RangeError || error instanceof TypeError) {
    return new OutgoingError("malformed", `${url.host} answered with something that is no HTTP`);
  }
  return new OutgoingError("unreachable", `${url.host} cannot be reached (${code || message.slice(0, 80)})`);
}
