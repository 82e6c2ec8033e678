import type { Server } from "node:http";
import type { Socket } from "node:net";
import { connectionsCut } from "./admission-metrics.ts";

/** From this share of the limit on, connections that say nothing make room. */
const CROWDED = 0.9;
/** Whoever has just connected is about to say something. */
const GRACE_MS = 1_000;

/**
 * Bounds how many connections there are at once. When it gets crowded, each new one takes the place of the one that has
 * waited longest without a byte, so that those who open many and say nothing keep nobody out; when there is no room at all,
 * new ones are closed at once.
 */
export function limitConnections(server: Server, maxConnections: number): void {
  server.maxConnections = maxConnections;
  const crowd = Math.max(1, Math.floor(maxConnections * CROWDED));
  /** Since when; the oldest first. */
  const silentSince = new Map<Socket, number>();
  let open = 0;

  server.on("connection", (socket: Socket) => {
    open += 1;
    const now = performance.now();
    if (open > crowd) cutLongestSilent(now);
    silentSince.set(socket, now);
    socket.once("close", () => {
      open -= 1;
      silentSince.delete(socket);
    });
  });
  server.on("drop", () => connectionsCut.labels("full").inc());

  function cutLongestSilent(now: number): void {
    for (const [socket, since] of silentSince) {
      if (now - since < GRACE_MS) return;
      silentSince.delete(socket);
      // Those that have said something meanwhile are found out here, once each.
      if (socket.bytesRead > 0) continue;
      connectionsCut.labels("silent").inc();
      socket.destroy();
      return;
    }
  }
}
