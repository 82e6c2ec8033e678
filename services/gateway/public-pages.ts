import type { ServerResponse } from "node:http";
import type { Unreadiness } from "../common/service.ts";
import { docsAssets, docsPage } from "./docs.ts";
import { openApiDocument } from "./openapi.ts";
import { sendProblem } from "./problem-response.ts";
import type { Route } from "./routes.ts";

/** An address that needs no token. */
export interface Page {
  readonly method: "GET";
  readonly pattern: string;
  readonly serve: (response: ServerResponse) => void | Promise<void>;
}

export interface PagesOptions {
  readonly routes: readonly Route[];
  readonly publicUrl: string | undefined;
  readonly unreadiness: Unreadiness;
}

/** Serves a page. With a slash at its end, an address would be another base for what the page links: it is led back. */
export function servePage(page: Page, path: string, response: ServerResponse): void {
  if (path.length > 1 && path.endsWith("/")) redirect(response, `../${path.split("/").at(-2)}`);
  else void page.serve(response);
}

const JSON_TYPE = "application/json; charset=utf-8";

export function publicPages({ routes, publicUrl, unreadiness }: PagesOptions): Page[] {
  const document = JSON.stringify(openApiDocument(routes, publicUrl));
  return [
    page("/", (response) =>
      send(response, 200, "text/plain; charset=utf-8", "Crypto Pocket Butler API. See /docs.\n"),
    ),
    page("/health", (response) => sendJson(response, 200, { status: "ok", service: "gateway" })),
    page("/ready", async (response) => {
      const reason = await unreadiness();
      if (reason === undefined) sendJson(response, 200, { status: "ready", service: "gateway" });
      else sendProblem(response, "SERVICE_UNAVAILABLE", notReady, "/ready");
    }),
    page("/openapi.json", (response) => send(response, 200, JSON_TYPE, document)),
    page("/docs", (response) => send(response, 200, "text/html; charset=utf-8", docsPage, docsPolicy)),
    ...Object.entries(docsAssets).map(([name, { type, content }]) =>
      page(`/docs/${name}`, (response) => send(response, 200, type, content)),
    ),
    // Where the original had them. Relative, because this page may be below `/api` or a proxy's prefix.
    page("/api-docs/openapi.json", (response) => redirect(response, "../openapi.json")),
    page("/swagger-ui", (response) => redirect(response, "docs")),
  ];
}

/** The reason names parts of the system: it is for those who run it. */
const notReady = { detail: "This process cannot serve just now; /ready on its metrics port says why." };

const docsPolicy = {
  "Content-Security-Policy":
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
};

function page(pattern: string, serve: Page["serve"]): Page {
  return { method: "GET", pattern, serve };
}

function sendJson(response: ServerResponse, status: number, content: object): void {
  send(response, status, JSON_TYPE, JSON.stringify(content), { "Cache-Control": "no-store" });
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  content: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    "Content-Type": type,
    "Content-Length": Buffer.byteLength(content),
    "X-Content-Type-Options": "nosniff",
    ...headers,
  });
  response.end(content);
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(308, { Location: location, "Content-Length": "0" }).end();
}
