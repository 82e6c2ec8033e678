import type { ServerResponse } from "node:http";
import type { Route } from "./routes.ts";

/** What every reply with a user's data says: nobody on the way may keep it. */
const PRIVATE = { "Cache-Control": "private, no-store", Vary: "Authorization" };

/** Writes an action's result as the route's reply. */
export function sendResult(response: ServerResponse, route: Route, result: unknown): void {
  if (route.status === 204) {
    response.writeHead(204, PRIVATE).end();
    return;
  }
  const body = JSON.stringify(route.isPage ? (result as { items: unknown }).items : result);
  response.writeHead(route.status, {
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(body),
    ...PRIVATE,
    ...headersOf(route, result as Record<string, unknown>),
  });
  response.end(body);
}

function headersOf(route: Route, result: Record<string, unknown>): Record<string, string> {
  const headers: Record<string, string> = {};
  if (route.hasVersion) headers.ETag = `"${result.version}"`;
  if (route.entry.location) headers.Location = fill(route.entry.location, result);
  if (route.isPage && result.next_cursor !== undefined) {
    headers.Link = `<${route.path}?cursor=${encodeURIComponent(String(result.next_cursor))}>; rel="next"`;
  }
  return headers;
}

function fill(template: string, members: Record<string, unknown>): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(members[name])));
}
