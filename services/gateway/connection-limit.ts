import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { connectionsCut } from "./admission-metrics.ts";

/** From this share of the limit on, connections that ask for nothing make room. */
const CROWDED = 0.9;
/** Whoever has just connected, or was just answered, is about to ask for something. */
const GRACE_MS = 1_000;

/** What Node keeps on a connection of its HTTP server: the reply that is being made. */
export type HttpSocket = Socket & { readonly _httpMessage?: ServerResponse | null };

/**
 * Bounds how many connections there are at once. When it gets crowded, each new one takes the place of the one on which
 * longest no whole request has come, so that those who open many and ask for nothing keep nobody out, however they begin;
 * when there is no room at all, new ones are closed at once.
 */
export function limitConnections(server: Server, maxConnections: number): void {
  server.maxConnections = maxConnections;
  const crowd = Math.max(1, Math.floor(maxConnections * CROWDED));
  /** When it began, or last something was asked for on it; the longest ago first. */
  const askedAt = new Map<HttpSocket, number>();
  let open = 0;

  server.on("connection", (socket: Socket) => {
    open += 1;
    const now = performance.now();
    if (open > crowd) cutLongestIdle(now);
    askedAt.set(socket, now);
    socket.once("close", () => {
      open -= 1;
      askedAt.delete(socket);
    });
  });
  server.on("request", ({ socket }: IncomingMessage) => putLast(socket, performance.now()));
  server.on("drop", () => connectionsCut.labels("full").inc());

  function putLast(socket: HttpSocket, now: number): void {
    if (askedAt.delete(socket)) askedAt.set(socket, now);
  }

  function cutLongestIdle(now: number): void {
    for (const [socket, since] of askedAt) {
      if (now - since < GRACE_MS) return;
      // It waits for us.
      if (socket._httpMessage) {
        putLast(socket, now);
        continue;
      }
      connectionsCut.labels("silent").inc();
      socket.destroy();
      return;
    }
  }
}
