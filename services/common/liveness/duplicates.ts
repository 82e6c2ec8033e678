import type { Middleware } from "moleculer";
import { RecentIds } from "../recent-ids.ts";

/** So long may a second copy come after the first. */
const REMEMBERED_MS = 10_000;
/** And so many are remembered at most, twice over. */
const MAX_REMEMBERED = 50_000;

/**
 * A request that arrives twice is executed once. While a process connects to NATS anew, the server may still hold the
 * connection before, with its subscriptions: then it sends each request to both. Callers who try again use another id.
 */
export function droppingDuplicates(): Middleware {
  const known = new RecentIds(REMEMBERED_MS, MAX_REMEMBERED);

  function isRepeated(id: string): boolean {
    if (known.has(id)) return true;
    known.add(id);
    return false;
  }

  return {
    name: "DroppingDuplicates",
    transitMessageHandler(next) {
      const handle = next as unknown as (command: string, packet: { payload: { id: string } }) => unknown;
      return ((command: string, packet: { payload: { id: string } }) =>
        command === "REQ" && isRepeated(packet.payload.id)
          ? Promise.resolve(true)
          : handle(command, packet)) as never;
    },
  };
}
