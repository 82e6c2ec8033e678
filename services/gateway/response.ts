import type { ServerResponse } from "node:http";
import type { Received } from "./request.ts";
import type { Route } from "./routes.ts";

/** What every reply with a user's data says: nobody on the way may keep it. */
const PRIVATE = { "Cache-Control": "private, no-store", Vary: "Authorization" };

/** Writes an action's result as the route's reply. */
export function sendResult(
  response: ServerResponse,
  route: Route,
  received: Received,
  result: unknown,
): void {
  if (route.status === 204) {
    response.writeHead(204, PRIVATE).end();
    return;
  }
  const body = route.write(route.isPage ? (result as { items: unknown }).items : result);
  response.writeHead(route.status, {
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(body),
    ...PRIVATE,
    ...headersOf(route, received, result as Record<string, unknown>),
  });
  response.end(body);
}

interface ResultPage {
  readonly items: readonly unknown[];
  readonly next_cursor?: string;
}

/**
 * Writes a page and all that follow it as one array, each as soon as it is there, so that no more than one is in memory.
 * When a later page fails, the connection is cut: half an array must not look like a whole one.
 */
export async function sendEveryPage(
  response: ServerResponse,
  { write }: Route,
  first: unknown,
  next: (cursor: string) => Promise<unknown>,
): Promise<void> {
  response.writeHead(200, { "Content-Type": "application/json; charset=utf-8", ...PRIVATE });
  let page = first as ResultPage;
  let separator = "[";
  for (;;) {
    if (page.items.length > 0) {
      response.write(separator + write(page.items).slice(1, -1));
      separator = ",";
    }
    if (page.next_cursor === undefined || response.destroyed) break;
    page = (await next(page.next_cursor)) as ResultPage;
  }
  response.end(separator === "[" ? "[]" : "]");
}

function headersOf(
  route: Route,
  { prefix, path, query }: Received,
  result: Record<string, unknown>,
): Record<string, string> {
  const headers: Record<string, string> = {};
  if (route.hasVersion) headers.ETag = `"${result.version}"`;
  if (route.entry.location) headers.Location = prefix + fill(route.entry.location, result);
  if (route.isPage && result.next_cursor !== undefined) {
    const next = new URLSearchParams(query);
    next.set("cursor", String(result.next_cursor));
    headers.Link = `<${prefix}${path}?${next}>; rel="next"`;
  }
  return headers;
}

function fill(template: string, members: Record<string, unknown>): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(members[name])));
}
