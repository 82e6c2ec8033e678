import { Discoverers, type Endpoint, type Middleware, Strategies } from "moleculer";
import { nodesLost } from "./metrics.ts";
import type { Registry } from "./parts.ts";
import type { Pulse } from "./pulse.ts";

const HEARTBEAT_INTERVAL_MS = 400;
/**
 * Silence is counted in looks, not by the clock: who did not get to look did not get to listen either, so that on a machine
 * that is too busy nobody takes others for dead.
 */
const LOOK_INTERVAL_MS = 200;
/** A node that was silent for so many looks (1 s) is called only when there is no other. */
const LOOKS_TO_DOUBT = 5;
/** A node that was silent for so many looks (2 s) is gone. No request may fail that is sent 3 s after a node froze. */
const LOOKS_TO_LOSE = 10;
/** How often nodes that have been gone for ten minutes are forgotten. */
const FORGET_INTERVAL_MS = 60_000;

/**
 * How nodes find each other, as Moleculer does it, but for looking sooner: it would find that a node is silent only in
 * up to twice its time limit. A node that is gone is asked for again as soon as it is heard again.
 */
export class Discovery extends Discoverers.Local {
  readonly #pulse: Pulse;
  /** How many looks ago each node was last heard. */
  readonly #silence = new Map<string, number>();
  /** The nodes that have been silent for a while. */
  readonly doubted = new Set<string>();

  constructor(pulse: Pulse) {
    super();
    this.#pulse = pulse;
  }

  override startHeartbeatTimers(): void {
    this.stopHeartbeatTimers();
    this.#pulse.start();
    this.heartbeatTimer = setInterval(() => void this.sendHeartbeat(), HEARTBEAT_INTERVAL_MS).unref();
    this.checkNodesTimer = setInterval(() => this.checkRemoteNodes(), LOOK_INTERVAL_MS).unref();
    this.offlineTimer = setInterval(() => this.checkOfflineNodes(), FORGET_INTERVAL_MS).unref();
  }

  override stopHeartbeatTimers(): void {
    super.stopHeartbeatTimers();
    this.#pulse.stop();
  }

  /** Something came from a node. */
  heard(nodeID: string): void {
    if (this.#silence.get(nodeID) !== 0) this.#silence.set(nodeID, 0);
  }

  override checkRemoteNodes(): void {
    const { nodes } = this.registry as unknown as Registry;
    const present = nodes.toArray().filter(({ local, available }) => !local && available);
    const ids = new Set(present.map(({ id }) => id));
    for (const id of this.#silence.keys()) if (!ids.has(id)) this.#silence.delete(id);
    for (const id of this.doubted) if (!ids.has(id)) this.doubted.delete(id);
    for (const id of ids) {
      const looks = (this.#silence.get(id) ?? 0) + 1;
      this.#silence.set(id, looks);
      if (looks > LOOKS_TO_DOUBT) this.doubted.add(id);
      else this.doubted.delete(id);
      if (looks <= LOOKS_TO_LOSE) continue;
      nodesLost.labels("silent").inc();
      nodes.disconnected(id, true);
    }
  }
}

/** Tells `discovery` of all that comes: replies are as good a sign of life as heartbeats. */
export function listening(discovery: Discovery): Middleware {
  return {
    name: "Listening",
    transitMessageHandler(next) {
      const handle = next as unknown as (command: string, packet: Received) => unknown;
      return ((command: string, packet: Received) => {
        if (packet.payload?.sender) discovery.heard(packet.payload.sender);
        return handle(command, packet);
      }) as never;
    },
  };
}

interface Received {
  readonly payload?: { readonly sender?: string };
}

/** Each replica in turn; one that is silent only when there is no other. */
export function inTurn({ doubted }: Discovery): typeof Strategies.Base {
  return class InTurn extends Strategies.RoundRobin {
    override select(list: Endpoint[]): Endpoint {
      if (doubted.size === 0) return super.select(list);
      const heard = list.filter(({ id }) => !doubted.has(id));
      return super.select(heard.length > 0 ? heard : list);
    }
  };
}
