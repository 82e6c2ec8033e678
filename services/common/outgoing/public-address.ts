import { BlockList, isIP } from "node:net";

/** IPv4 addresses that are not on the public internet (RFC 6890 and its registry), the cloud's metadata among them. */
const IPV4_NOT_PUBLIC = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const;

/** Public IPv6 addresses are in 2000::/3; these parts of it are not, or hide an IPv4 address (Teredo, 6to4). */
const IPV6_NOT_PUBLIC = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const;

/** Names that are resolved inside a network. */
const INSIDE_NAME = /(^|\.)(localhost|local|localdomain|internal|intranet|lan|home|corp|private|svc|arpa)$/;

const notPublic = new BlockList();
for (const [net, prefix] of IPV4_NOT_PUBLIC) notPublic.addSubnet(net, prefix, "ipv4");
for (const [net, prefix] of IPV6_NOT_PUBLIC) notPublic.addSubnet(net, prefix, "ipv6");
const globalUnicast = new BlockList();
globalUnicast.addSubnet("2000::", 3, "ipv6");

/**
 * Whether a host, as `URL` writes it (IPv4 in four decimal numbers, whatever it was written in, and IPv6 in brackets), may
 * be on the public internet. Names are judged as they are: what they resolve to is for whoever connects to check.
 */
export function isPublicHost(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, "");
  if (isIP(address)) return isPublicAddress(address);
  const name = address.replace(/\.$/, "");
  return name.includes(".") && !INSIDE_NAME.test(name);
}

/** Whether an IP address is on the public internet; what is no address is not. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 4) return !notPublic.check(address, "ipv4");
  return version === 6 && globalUnicast.check(address, "ipv6") && !notPublic.check(address, "ipv6");
}
