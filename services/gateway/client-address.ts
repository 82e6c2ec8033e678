import type { IncomingMessage } from "node:http";
import { BlockList, isIP, type Socket, SocketAddress } from "node:net";

/** Finds the address that a request came from. */
export type AddressOf = (request: IncomingMessage) => string | undefined;

/** Longer lists are not followed to their end. */
const MAX_HOPS = 20;

/**
 * Tells clients apart where proxies stand in front of the gateway: each adds the address that it was asked from to the
 * end of `X-Forwarded-For`, so the list is read from there, as long as who wrote an entry is trusted. What a client
 * itself puts into the header so never counts.
 * @param trustedProxies addresses, or networks such as `10.0.0.0/8`.
 */
export function clientAddresses(trustedProxies: readonly string[]): AddressOf {
  if (trustedProxies.length === 0) return ({ socket }) => plain(socket.remoteAddress);
  const trusted = listOf(trustedProxies);
  return ({ socket, headers }) => {
    let address = plain(socket.remoteAddress);
    const given = headers["x-forwarded-for"];
    const hops = typeof given === "string" ? given.split(",").reverse().slice(0, MAX_HOPS) : [];
    for (const hop of hops) {
      if (!address || !trusted.check(address, familyOf(address))) break;
      const before = plain(hop.trim());
      if (!before || !isIP(before)) break;
      address = before;
    }
    return address;
  };
}

/** Tells connections that many clients share, because a trusted proxy made them. */
export function sharedConnections(trustedProxies: readonly string[]): (socket: Socket) => boolean {
  if (trustedProxies.length === 0) return () => false;
  const trusted = listOf(trustedProxies);
  return ({ remoteAddress }) => {
    const address = plain(remoteAddress);
    return address !== undefined && trusted.check(address, familyOf(address));
  };
}

/** Whether it can be trusted as a proxy: an address or a network. */
export function isNetwork(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** What one client has at its disposal: an IPv4 address, or a network of 64 bits of IPv6 (RFC 6177). */
export function networkOf(address = ""): string {
  if (!address.includes(":")) return address;
  const [prefix = ""] = address.split("::");
  return prefix
    .split(":")
    .slice(0, 4)
    .join(":")
    .replace(/(?:^|:)0(?::0)*$/, "");
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) trust(list, network);
  return list;
}

function trust(list: BlockList, network: string): void {
  const [address = "", bits] = network.split("/");
  if (bits === undefined) list.addAddress(address, familyOf(address));
  else list.addSubnet(address, Number(bits), familyOf(address));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return address.includes(":") ? "ipv6" : "ipv4";
}

/** The one spelling of an address; an IPv4 address that came over an IPv6 socket is written as such. */
function plain(address: string | undefined): string | undefined {
  const short = address?.replace(/^::ffff:(?=\d+\.)/i, "");
  return short && isIP(short) === 6 ? new SocketAddress({ address: short, family: "ipv6" }).address : short;
}
