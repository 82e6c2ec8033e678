/** The proxies in front of NATS and PostgreSQL, and how they are broken at run time. */
import { ChaosError } from "./errors.ts";
import type { ProxyFunctions } from "./proxies-process.ts";
import { startRemote } from "./remote.ts";

/** How a proxy treats what goes through it. */
export type Manner =
  /** As it should be; connections that were lost stay lost. */
  | { readonly kind: "forward" }
  /** A black hole: nothing arrives, on old and new connections, and nobody is told. */
  | { readonly kind: "silent" }
  /** The connections that there are lead nowhere, and nobody is told; new ones are fine. */
  | { readonly kind: "half-open" }
  /** The server gives up what is half-open. */
  | { readonly kind: "end swallowed" }
  /** Once: all connections end in order. */
  | { readonly kind: "drop" }
  /** Once: all connections are reset. */
  | { readonly kind: "reset" }
  /** All connections are cut, and new ones are, too. */
  | { readonly kind: "refuse" }
  | { readonly kind: "latency"; readonly milliseconds: number }
  | { readonly kind: "slow"; readonly bytesPerSecond: number };

export type Server = "nats" | "postgres";

export interface Proxies {
  /** @returns the port on 127.0.0.1 that leads to the server. */
  open(server: Server, slot: string, port: number): Promise<number>;
  /** Of all replicas, or of one. */
  take(server: Server, manner: Manner, slot?: string): Promise<void>;
  stop(): Promise<void>;
}

export function startProxies(): Proxies {
  const remote = startRemote<ProxyFunctions>(new URL("proxies-process.ts", import.meta.url));
  return {
    open: (server, slot, port) => remote.call("open", `${server}/${slot}`, "127.0.0.1", port),
    async take(server, manner, slot = "") {
      const count = await remote.call("take", `${server}/${slot}`, manner);
      if (count === 0) throw new ChaosError(`There is no proxy ${server}/${slot}.`);
    },
    stop: () => remote.stop(),
  };
}
