import { isIP } from "node:net";
import { isPublicHost } from "./public-address.ts";

/** Where requests may go. */
export interface OutgoingRules {
  /** `host`, `*.suffix` for what is below it, either with `:port`; else the port of https. */
  readonly hosts: readonly string[];
  /** `host:port`: these may be at a private address, and be asked without TLS. */
  readonly privateHosts: readonly string[];
}

/** Of the providers that accounts are read from and prices come from, and the public nodes that chains begin with. */
// biome-ignore format: one name a line would fill the page.
export const KNOWN_HOSTS: readonly string[] = [
  "www.okx.com", "api.binance.com", "api.binance.us", "api.bitfinex.com", "api-pub.bitfinex.com", "api.bitget.com",
  "www.bitstamp.net", "api.bitvavo.com", "api.bybit.com", "api.coinbase.com", "api.crypto.com", "www.deribit.com",
  "api.gateio.ws", "api.gemini.com", "api.huobi.pro", "api.kraken.com", "api.kucoin.com", "api.mexc.com",
  "api.upbit.com", "api.woox.io",
  "ethereum.reth.rs", "arb1.arbitrum.io", "mainnet.optimism.io", "mainnet.base.org", "56.rpc.thirdweb.com",
  "rpc.hyperliquid.xyz", "rpc.mantle.xyz", "api.mainnet-beta.solana.com", "blockstream.info",
  "api.coinpaprika.com", "api-pro.coinpaprika.com", "api.coingecko.com", "pro-api.coingecko.com",
];

/** How a URL may be asked: only at public addresses, or (*private*) at whichever; undefined: not at all. */
export type Permission = "public" | "private" | undefined;

/** Judges a URL by its scheme, host and port; what its name resolves to is checked as it is connected to. */
export function permissionFor({ hosts, privateHosts }: OutgoingRules, url: URL): Permission {
  const isSecure = url.protocol === "https:";
  if (url.username || url.password || !(isSecure || url.protocol === "http:")) return undefined;
  const port = url.port || (isSecure ? "443" : "80");
  if (privateHosts.includes(`${url.hostname}:${port}`)) return "private";
  if (!isSecure || !isPublicHost(url.hostname)) return undefined;
  return hosts.some((allowed) => matches(allowed, url.hostname, port)) ? "public" : undefined;
}

function matches(allowed: string, hostname: string, port: string): boolean {
  const [, host = "", allowedPort = "443"] = /^(.*?)(?::(\d+))?$/.exec(allowed) ?? [];
  if (allowedPort !== port) return false;
  if (!host.startsWith("*.")) return host === hostname;
  return !isIP(hostname) && hostname.endsWith(host.slice(1));
}
