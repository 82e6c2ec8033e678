/** The process of the fault proxies: each replica has one of its own to NATS and one to PostgreSQL. */
import { startTcpProxy, type TcpProxy } from "../test/support/tcp-proxy.ts";
import type { Manner } from "./proxies.ts";
import { offer } from "./remote.ts";

const proxies = new Map<string, TcpProxy>();

function take(proxy: TcpProxy, manner: Manner): void {
  switch (manner.kind) {
    case "forward":
      return proxy.forward();
    case "silent":
      proxy.swallow();
      return proxy.swallowOld();
    case "half-open":
      return proxy.swallowOld();
    case "end swallowed":
      return proxy.endSwallowed();
    case "drop":
      return proxy.hangUp("end");
    case "reset":
      return proxy.hangUp("reset");
    case "refuse":
      return proxy.refuse();
    case "latency":
      return proxy.delay(manner.milliseconds);
    case "slow":
      return proxy.slow(manner.bytesPerSecond);
  }
}

const functions = {
  async open(name: string, host: string, port: number): Promise<number> {
    const proxy = await startTcpProxy({ host, port });
    proxies.set(name, proxy);
    return proxy.port;
  },
  take(prefix: string, manner: Manner): number {
    const chosen = [...proxies].filter(([name]) => name.startsWith(prefix));
    for (const [, proxy] of chosen) take(proxy, manner);
    return chosen.length;
  },
};
export type ProxyFunctions = typeof functions;

offer(functions);
