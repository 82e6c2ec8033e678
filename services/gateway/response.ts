import type { ServerResponse } from "node:http";
import { isKnown, type KnownTags, tagOfBody, tagOfVersion } from "./conditional.ts";
import type { Received } from "./request.ts";
import type { Route } from "./routes.ts";

/** What every reply with a user's data says: nobody on the way may keep it. */
const PRIVATE = { "Cache-Control": "private, no-store", Vary: "Authorization" };

/** Writes an action's result as the route's reply; where the client has its content already, only that (RFC 9110 §13.1.2). */
export function sendResult(
  response: ServerResponse,
  route: Route,
  received: Received,
  result: unknown,
  known?: KnownTags,
): void {
  if (route.status === 204) {
    response.writeHead(204, PRIVATE).end();
    return;
  }
  const headers = headersOf(route, received, result as Record<string, unknown>);
  // A version is known before anything is written.
  if (known && headers.ETag && isKnown(known, headers.ETag)) return sendNotModified(response, headers.ETag);
  const body = route.write(route.isPage ? (result as { items: unknown }).items : result);
  if (!headers.ETag && (route.hasVersion || route.isConditional)) {
    headers.ETag = route.hasVersion
      ? tagOfVersion((result as { version: unknown }).version, body)
      : tagOfBody(body, headers.Link);
    if (known && isKnown(known, headers.ETag)) return sendNotModified(response, headers.ETag);
  }
  response.writeHead(route.status, {
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(body),
    ...PRIVATE,
    ...headers,
  });
  response.end(body);
}

/** RFC 9110 §15.4.5. */
function sendNotModified(response: ServerResponse, tag: string): void {
  response.writeHead(304, { ...PRIVATE, ETag: tag }).end();
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
    await whenRead(response);
    page = (await next(page.next_cursor)) as ResultPage;
  }
  response.end(separator === "[" ? "[]" : "]");
}

/** Until what was written has gone out, or nobody is there any more. */
function whenRead(response: ServerResponse): Promise<void> {
  if (!response.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}

type ResultHeaders = Partial<Record<"ETag" | "Location" | "Link", string>>;

function headersOf(
  route: Route,
  { prefix, path, query }: Received,
  result: Record<string, unknown>,
): ResultHeaders {
  const headers: ResultHeaders = {};
  if (route.hasVersion && !route.entry.variesByCaller) headers.ETag = `"${result.version}"`;
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
