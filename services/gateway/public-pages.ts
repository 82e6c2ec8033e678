import type { ServerResponse } from "node:http";
import type { Unreadiness } from "../common/service.ts";
import { docsAsset, docsPage } from "./docs.ts";
import { openApiDocument } from "./openapi.ts";
import { sendProblem } from "./problem-response.ts";
import type { Route } from "./routes.ts";

/** An address that needs no token. */
export interface Page {
  readonly method: "GET";
  readonly pattern: string;
  readonly serve: (
    response: ServerResponse,
    parameters: Readonly<Record<string, string>>,
  ) => void | Promise<void>;
}

export interface PagesOptions {
  readonly routes: readonly Route[];
  readonly publicUrl: string | undefined;
  readonly unreadiness: Unreadiness;
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
      else sendProblem(response, "SERVICE_UNAVAILABLE", { detail: reason }, "/ready");
    }),
    page("/openapi.json", (response) => send(response, 200, JSON_TYPE, document)),
    page("/docs", (response) => send(response, 200, "text/html; charset=utf-8", docsPage, docsPolicy)),
    page("/docs/:asset", (response, { asset = "" }) => {
      const found = docsAsset(asset);
      if (found) send(response, 200, found.type, found.content);
      else sendProblem(response, "ROUTE_NOT_FOUND", {}, "/docs/:asset");
    }),
    // Where the original had them.
    page("/api-docs/openapi.json", (response) => redirect(response, "/openapi.json")),
    page("/swagger-ui", (response) => redirect(response, "/docs")),
  ];
}

const docsPolicy = {
  "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'",
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
    ...headers,
  });
  response.end(content);
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(308, { Location: location, "Content-Length": "0" }).end();
}
