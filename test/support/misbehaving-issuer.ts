import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a test can make the issuer do instead of answering. */
export type Fault =
  | "hangs"
  | "drips"
  | "fails"
  | "resets"
  | "redirects"
  | "answers HTML"
  | "answers 64 MB"
  | "breaks off"
  | "answers half"
  | "answers a list"
  | "answers twice the same member";

export interface MisbehavingIssuer {
  readonly url: string;
  /** What it publishes as its keys from now on. */
  publish(...keys: readonly object[]): void;
  /** Other members of its discovery document from now on. */
  state(metadata: Readonly<Record<string, unknown>>): void;
  /** From now on until told otherwise, at these addresses. */
  misbehave(fault: Fault | undefined, where?: "everywhere" | "discovery" | "keys"): void;
  /** Lets each answer take so long. */
  delay(durationMs: number): void;
  /** How often it was asked, by path. */
  fetches(path?: string): number;
  /** How many bytes of bodies it got rid of. */
  readonly bytesSent: () => number;
  stop(): Promise<void>;
}

export const DISCOVERY = "/.well-known/openid-configuration";
export const KEYS = "/keys";

const HUGE_BYTES = 64 * 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, " ");

/**
 * An issuer on loopback that answers as it should, or misbehaves on purpose.
 * @param now what its clock says, in milliseconds since 1970.
 */
export async function startMisbehavingIssuer(now: () => number = Date.now): Promise<MisbehavingIssuer> {
  const asked = new Map<string, number>();
  let keys: readonly object[] = [];
  let metadata: Readonly<Record<string, unknown>> = {};
  let fault: Fault | undefined;
  let faultPath: string | undefined;
  let delayMs = 0;
  let bytesSent = 0;
  let url = "";

  function documentAt(path: string): object | undefined {
    if (path === DISCOVERY) return { issuer: url, jwks_uri: url + KEYS, ...metadata };
    return path === KEYS ? { keys } : undefined;
  }

  /** As much as the other side takes, until it has had enough. */
  function sendHuge(response: ServerResponse): void {
    response.write('{"keys":[');
    function more(): void {
      while (bytesSent < HUGE_BYTES) {
        bytesSent += CHUNK.length;
        if (!response.write(CHUNK)) {
          response.once("drain", more);
          return;
        }
      }
      response.end("]}");
    }
    more();
  }

  function drip(response: ServerResponse): void {
    const drops = setInterval(() => response.write(" "), 50);
    response.once("close", () => clearInterval(drops));
  }

  const answers: Readonly<Record<Fault, (response: ServerResponse, body: string) => unknown>> = {
    hangs: () => undefined,
    drips: drip,
    fails: (response) => response.writeHead(500).end("{}"),
    resets: (response) => response.destroy(),
    redirects: (response) => response.writeHead(302, { location: `${url}/elsewhere` }).end(),
    "answers HTML": (response) => response.setHeader("content-type", "text/html").end("<html></html>"),
    "answers 64 MB": sendHuge,
    "breaks off": (response, body) => {
      response.setHeader("content-length", body.length);
      response.write(body.slice(0, body.length / 2), () => response.destroy());
    },
    "answers half": (response, body) => response.end(body.slice(0, body.length / 2)),
    "answers a list": (response, body) => response.end(`[${body}]`),
    "answers twice the same member": (response, body) =>
      response.end(body.replace("{", '{"keys":[],"keys":[],')),
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    asked.set(path, (asked.get(path) ?? 0) + 1);
    const document = documentAt(path);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    response.setHeader("date", new Date(now()).toUTCString());
    response.setHeader("content-type", "application/json");
    if (!document) response.writeHead(404).end("{}");
    else if (fault && (faultPath ?? path) === path) answers[fault](response, JSON.stringify(document));
    else response.end(JSON.stringify(document));
  }

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url,
    publish(...published) {
      keys = published;
    },
    state(members) {
      metadata = members;
    },
    misbehave(next, where = "everywhere") {
      fault = next;
      faultPath = { everywhere: undefined, discovery: DISCOVERY, keys: KEYS }[where];
    },
    delay(durationMs) {
      delayMs = durationMs;
    },
    fetches: (path = KEYS) => asked.get(path) ?? 0,
    bytesSent: () => bytesSent,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
