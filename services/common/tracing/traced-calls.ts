import type { Context, Middleware } from "moleculer";
import type { ActionEntry } from "../contract.ts";
import { tracing } from "../tracing.ts";

type Wire = Context<unknown, Record<string, unknown>>;

/** Each attempt to call another process is a span, and tells it of that. None while tracing is off. */
export function tracedCalls(): Middleware[] {
  const on = tracing;
  if (!on) return [];
  return [
    {
      name: "TracedCalls",
      remoteAction(next, { name }) {
        const action = name as string;
        const send = next as unknown as (call: Wire) => Promise<unknown>;
        const options = { name: action, kind: "client", attributes: attributesOf(action) } as const;
        return ((call: Wire) => {
          if (!on.here()) return send(call);
          return on.below(options, (span) => {
            span?.set("server.address", (call as unknown as { endpoint: { id: string } }).endpoint.id);
            Object.assign(call.meta, on.carried());
            return send(call);
          });
        }) as never;
      },
    },
  ];
}

/** The handling of an action as a span, of the trace that its call carries or, in one process, is made in. */
export function tracedAction<W extends Context, Result>(
  action: string,
  entry: ActionEntry,
  handle: (wire: W) => Promise<Result>,
): (wire: W) => Promise<Result> {
  const on = tracing;
  if (!on) return handle;
  const kind = entry.hears === undefined ? "server" : "consumer";
  const options = { name: action, kind, attributes: attributesOf(action) } as const;
  const local = { ...options, kind: "internal" } as const;
  return (wire) =>
    wire.nodeID === wire.broker.nodeID
      ? on.below(local, () => handle(wire))
      : on.following(wire.meta, options, () => handle(wire));
}

function attributesOf(action: string) {
  return { "rpc.system.name": "moleculer", "rpc.method": action };
}
