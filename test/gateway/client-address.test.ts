import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "@jest/globals";
import { clientAddresses, isNetwork, networkOf } from "../../services/gateway/client-address.ts";

const request = (remoteAddress: string, forwarded?: string) =>
  ({ socket: { remoteAddress }, headers: { "x-forwarded-for": forwarded } }) as unknown as IncomingMessage;

describe("the address of a client", () => {
  it.each([
    ["is the socket's, whatever a header says", [], "203.0.113.7", "1.2.3.4", "203.0.113.7"],
    ["is written as IPv4 where it is", [], "::ffff:203.0.113.7", undefined, "203.0.113.7"],
    ["is what a trusted proxy was asked from", ["10.0.0.0/8"], "10.1.2.3", "203.0.113.7", "203.0.113.7"],
    [
      "is not what the client itself put there",
      ["10.0.0.0/8"],
      "10.1.2.3",
      "1.1.1.1, 203.0.113.7",
      "203.0.113.7",
    ],
    [
      "lies before all trusted proxies",
      ["10.0.0.0/8", "192.0.2.1"],
      "10.1.2.3",
      "1.1.1.1, 203.0.113.7, 192.0.2.1, 10.9.9.9",
      "203.0.113.7",
    ],
    [
      "is a stranger's own, who only sends the header",
      ["10.0.0.0/8"],
      "203.0.113.7",
      "10.1.1.1",
      "203.0.113.7",
    ],
    ["is the last one that is an address", ["10.0.0.0/8"], "10.1.2.3", "1.1.1.1, rubbish", "10.1.2.3"],
    ["is the proxy's where it names nobody", ["10.0.0.0/8"], "10.1.2.3", "", "10.1.2.3"],
    ["has one spelling", ["fd00::/8"], "fd00::1", "2001:DB8:0:0:0:0:0:7", "2001:db8::7"],
    ["is trusted also over an IPv6 socket", ["10.0.0.0/8"], "::ffff:10.1.2.3", "203.0.113.7", "203.0.113.7"],
    [
      "is not looked for without end",
      ["10.0.0.0/8"],
      "10.1.2.3",
      `1.1.1.1${", 10.0.0.1".repeat(30)}`,
      "10.0.0.1",
    ],
  ])("%s", (_, trusted, remote, forwarded, expected) => {
    expect(clientAddresses(trusted)(request(remote, forwarded))).toBe(expected);
  });
});

describe("a trusted proxy", () => {
  it.each([
    ["10.0.0.0/8", true],
    ["10.1.2.3", true],
    ["fd00::/8", true],
    ["::1", true],
    ["10.0.0.0/33", false],
    ["fd00::/129", false],
    ["10.0.0.0/", false],
    ["10.0.0.0/8/8", false],
    ["ingress.example", false],
    ["", false],
  ])("%p can be stated: %p", (text, isOne) => {
    expect(isNetwork(text)).toBe(isOne);
  });
});

describe("the network of an address", () => {
  it.each([
    ["203.0.113.7", "203.0.113.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8:1:2::9", "2001:db8:1:2"],
    ["2001:db8::9", "2001:db8"],
  ])("of %p is %p", (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
