import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";

/** A TCP way to PostgreSQL that can be broken in several manners. */
export interface BreakableWay extends TcpProxy {
  /** The database's URL, through the proxy. */
  readonly url: string;
}

export async function startProxy(databaseUrl: string): Promise<BreakableWay> {
  const url = new URL(databaseUrl);
  const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  return { ...proxy, url: url.href };
}
