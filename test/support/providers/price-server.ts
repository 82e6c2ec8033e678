import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** How a provider fails: an error of its own (429 with how long to wait), or one of these. */
export type Misbehaviour =
  | { readonly status: number; readonly retryAfter?: string }
  | "html"
  | "truncated"
  | "reset"
  | "silent"
  | "huge"
  | "redirect";

export interface PriceServer {
  readonly url: string;
  /** What was asked, in order. */
  readonly requests: { readonly url: URL; readonly headers: IncomingHttpHeaders }[];
  /** The next answers go wrong like this, one each, and those after them like the last if `always`. */
  misbehave(how: readonly Misbehaviour[], always?: boolean): void;
  /** Answers wait for this to end. */
  hold(until: Promise<void>): void;
  stop(): Promise<void>;
}

const ERROR_PAGE = "<!doctype html><title>Bad gateway</title><h1>502</h1>";
/** More than the service reads. */
const HUGE_CHUNKS = 40;
const CHUNK = Buffer.alloc(1024 * 1024, " ");

/** A local server that answers JSON at each path that it knows, or misbehaves when it is told to. */
export async function startPriceServer(answer: (url: URL) => string | undefined): Promise<PriceServer> {
  const requests: PriceServer["requests"] = [];
  let planned: Misbehaviour[] = [];
  let isForAlways = false;
  let held = Promise.resolve();
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://provider");
    requests.push({ url, headers: request.headers });
    const how = isForAlways && planned.length === 1 ? planned[0] : planned.shift();
    await held;
    const json = answer(url);
    if (how) return misbehaved(response, how, json ?? "");
    if (json === undefined) return send(response, 404, '{"error":"not found"}');
    send(response, 200, json);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    misbehave(how, always = false) {
      planned = [...how];
      isForAlways = always;
    },
    hold(until) {
      held = until;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function misbehaved(response: ServerResponse, how: Misbehaviour, json: string): void {
  if (how === "silent") return;
  if (how === "html") return send(response, 200, ERROR_PAGE, { "Content-Type": "text/html" });
  if (how === "truncated") return send(response, 200, json.slice(0, json.length / 2));
  if (how === "redirect") return send(response, 302, "", { Location: "http://127.0.0.1:9/elsewhere" });
  if (how === "reset") {
    response.write(json.slice(0, 10), () => response.destroy());
    return;
  }
  if (how === "huge") {
    response.writeHead(200, { "Content-Type": "application/json" });
    for (let chunk = 0; chunk < HUGE_CHUNKS; chunk += 1) response.write(CHUNK);
    response.end("[]");
    return;
  }
  const { status, retryAfter } = how;
  send(response, status, '{"error":"no"}', retryAfter === undefined ? {} : { "Retry-After": retryAfter });
}

function send(response: ServerResponse, status: number, body: string, headers: object = {}): void {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(body);
}
