import type { Middleware } from "moleculer";

/** So long may a second copy come after the first. */
const REMEMBERED_MS = 10_000;
/** And so many are remembered at most, twice over. */
const MAX_REMEMBERED = 50_000;

/**
 * A request that arrives twice is executed once. While a process connects to NATS anew, the server may still hold the
 * connection before, with its subscriptions: then it sends each request to both. Callers who try again use another id.
 */
export function droppingDuplicates(): Middleware {
  let recent = new Set<string>();
  let earlier = new Set<string>();
  let since = performance.now();

  function isRepeated(id: string): boolean {
    const now = performance.now();
    if (recent.size >= MAX_REMEMBERED || now - since > REMEMBERED_MS) {
      earlier = recent;
      recent = new Set();
      since = now;
    }
    if (recent.has(id) || earlier.has(id)) return true;
    recent.add(id);
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
