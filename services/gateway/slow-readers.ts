import type { Socket } from "node:net";
import { connectionsCut } from "./admission-metrics.ts";

/** Whoever reads less than this of a waiting reply in the time below is cut off. */
const MIN_BYTES_READ = 16 * 1024;
const PATIENCE_MS = 8_000;
const LOOK_INTERVAL_MS = 1_000;

interface Waiting {
  /** Bytes that the client's side had taken when we began to wait. */
  readonly taken: number;
  readonly since: number;
}

/**
 * Cuts off clients that ask and do not read: a reply that nobody takes stays in memory, and so would as many as they ask
 * for. Slow is fine as long as it goes on: that shows when a piece of a reply, which is a message of NATS at most, has
 * gone out whole. Cut within ten seconds, the interval of looking included.
 */
export function cutSlowReaders(sockets: ReadonlySet<Socket>): NodeJS.Timeout {
  const waiting = new WeakMap<Socket, Waiting>();
  return setInterval(() => {
    const now = performance.now();
    for (const socket of sockets) {
      if (socket.writableLength === 0) {
        waiting.delete(socket);
        continue;
      }
      const taken = socket.bytesWritten - socket.writableLength;
      const before = waiting.get(socket);
      if (!before || taken - before.taken >= MIN_BYTES_READ) waiting.set(socket, { taken, since: now });
      else if (now - before.since >= PATIENCE_MS) {
        connectionsCut.labels("unread").inc();
        socket.destroy();
      }
    }
  }, LOOK_INTERVAL_MS).unref();
}
