import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** What a provider is asked. */
export interface Asked {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What it answers; 200 and JSON unless said. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How an answer goes wrong: one of its own instead, or one of what the internet does to them. */
export type Misbehaviour = Answer | "html" | "truncated" | "cut" | "reset" | "silent" | "huge" | "redirect";

/** Decides by what is asked; undefined: it is answered as it should be. */
export type Misbehave = (asked: Asked) => Misbehaviour | undefined;

export interface ProviderServer {
  readonly url: string;
  /** `127.0.0.1:port`, as OUTGOING_PRIVATE_HOSTS names it. */
  readonly host: string;
  /** All that was asked, in order. */
  readonly requests: readonly Asked[];
  /** How many requests were under way at once, at most. */
  readonly mostAtOnce: number;
  /** From now on; without an argument all is well again. */
  misbehave(how?: Misbehaviour | Misbehave): void;
  /** Answers come so much later. */
  delay(milliseconds: number): void;
  stop(): Promise<void>;
}

const HTML: Answer = {
  headers: { "content-type": "text/html" },
  body: "<!doctype html><title>Attention Required</title>",
};
const REDIRECT: Answer = { status: 302, headers: { location: "http://127.0.0.1:9/elsewhere" }, body: "" };
/** More than any connector reads. */
const HUGE_CHUNKS = 20;
const CHUNK = Buffer.alloc(1024 * 1024, " ");

/** A local server that answers as a provider does, or misbehaves when it is told to. */
export async function startProvider(
  answer: (asked: Asked) => Answer | Promise<Answer>,
): Promise<ProviderServer> {
  const requests: Asked[] = [];
  let misbehave: Misbehave = () => undefined;
  let delayMs = 0;
  let underWay = 0;
  let mostAtOnce = 0;
  const server = createServer(async (request, response) => {
    underWay += 1;
    mostAtOnce = Math.max(mostAtOnce, underWay);
    response.once("close", () => {
      underWay -= 1;
    });
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = "", url: path = "/", headers } = request;
    const asked = { method, path, headers, body: Buffer.concat(chunks).toString() };
    requests.push(asked);
    if (delayMs > 0) await pause(delayMs);
    reply(response, await answer(asked), misbehave(asked));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}`,
    host,
    requests,
    get mostAtOnce() {
      return mostAtOnce;
    },
    misbehave(how) {
      misbehave = typeof how === "function" ? how : () => how;
    },
    delay(milliseconds) {
      delayMs = milliseconds;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A provider's answer in JSON. */
export function json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers, body: JSON.stringify(body) };
}

/**
 * The answers of a JSON-RPC node: an object or a list of them, each by its method.
 * @param answer gives the result, or throws a NodeError.
 */
export function jsonRpc(answer: (method: string, params: readonly unknown[]) => unknown) {
  const one = ({ id, method, params = [] }: RpcQuestion) => {
    try {
      return { jsonrpc: "2.0", id, result: answer(method, params) };
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      return { jsonrpc: "2.0", id, error: { code: error.code, message: error.message } };
    }
  };
  return ({ body }: Asked): Answer => {
    const asked: RpcQuestion | RpcQuestion[] = JSON.parse(body);
    return json(Array.isArray(asked) ? asked.map(one) : one(asked));
  };
}

/** What a JSON-RPC node answers instead of a result, with HTTP 200. */
export class NodeError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

interface RpcQuestion {
  readonly id: number | string;
  readonly method: string;
  readonly params?: readonly unknown[];
}

function reply(response: ServerResponse, answer: Answer, how: Misbehaviour | undefined): void {
  const { body } = answer;
  switch (how) {
    case undefined:
      return send(response, answer);
    case "silent":
      return;
    case "html":
      return send(response, HTML);
    case "redirect":
      return send(response, REDIRECT);
    case "truncated":
      return send(response, { body: body.slice(0, body.length / 2) });
    case "cut":
      // It says how long the body is, and ends before.
      response.writeHead(200, { "content-type": "application/json", "content-length": body.length + 10 });
      response.write(body, () => response.destroy());
      return;
    case "reset":
      response.destroy();
      return;
    case "huge":
      response.writeHead(200, { "content-type": "application/json" });
      for (let chunk = 0; chunk < HUGE_CHUNKS; chunk += 1) response.write(CHUNK);
      response.end(body);
      return;
    default:
      return send(response, how);
  }
}

function send(response: ServerResponse, { status = 200, headers = {}, body }: Answer): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(body);
}
