import { describe, expect, it } from "@jest/globals";
import { ConfigurationError } from "../../../services/common/config.ts";
import { readOutgoingRules } from "../../../services/common/outgoing/config.ts";
import { KNOWN_HOSTS, permissionFor } from "../../../services/common/outgoing/hosts.ts";
import { seedChains } from "../../../services/market/migrations/seeds/chains.ts";

const permission = (url: string, hosts: readonly string[], privateHosts: readonly string[] = []) =>
  permissionFor({ hosts, privateHosts }, new URL(url));

describe("readOutgoingRules", () => {
  it("allows the known hosts and no private ones unless told otherwise", () => {
    expect(readOutgoingRules({})).toEqual({ hosts: KNOWN_HOSTS, privateHosts: [] });
  });

  it("knows the nodes that chains begin with", () => {
    for (const { rpc_url } of seedChains) {
      if (rpc_url !== null) expect(permission(rpc_url, KNOWN_HOSTS)).toBe("public");
    }
  });

  it("replaces the known hosts, or adds to them", () => {
    expect(readOutgoingRules({ OUTGOING_HOSTS: "RPC.example.com, *.example.org" }).hosts).toEqual([
      "rpc.example.com",
      "*.example.org",
    ]);
    expect(readOutgoingRules({ OUTGOING_HOSTS: "known,rpc.example.com" }).hosts).toEqual([
      ...KNOWN_HOSTS,
      "rpc.example.com",
    ]);
  });

  it("allows the hosts of URLs in other settings", () => {
    const rules = readOutgoingRules({ OUTGOING_HOSTS: "a.example.com" }, [
      ["SOLANA_RPC_URL", "https://rpc.example.com:8899/key"],
    ]);
    expect(permissionFor(rules, new URL("https://rpc.example.com:8899/"))).toBe("public");
    expect(permissionFor(rules, new URL("https://rpc.example.com/"))).toBeUndefined();
  });

  it.each(["http://rpc.example.com/key", "https://10.0.0.1/key", "https://localhost/key"])(
    "does not start with %s in another setting, and does not print its path",
    (url) => {
      const read = () => readOutgoingRules({}, [["SOLANA_RPC_URL", url]]);
      expect(read).toThrow(ConfigurationError);
      expect(read).toThrow(/^SOLANA_RPC_URL .*OUTGOING_PRIVATE_HOSTS/);
      expect(read).not.toThrow(/\/key/);
    },
  );

  it.each([
    ["OUTGOING_HOSTS", "*"],
    ["OUTGOING_HOSTS", "*.com"],
    ["OUTGOING_HOSTS", "https://rpc.example.com"],
    ["OUTGOING_HOSTS", "rpc.example.com/path"],
    ["OUTGOING_HOSTS", "a.example.com,,b.example.com"],
    ["OUTGOING_HOSTS", Array.from({ length: 201 }, (_, index) => `h${index}.example.com`).join(",")],
    ["OUTGOING_PRIVATE_HOSTS", "10.0.0.1"],
    ["OUTGOING_PRIVATE_HOSTS", "http://10.0.0.1:80"],
    ["OUTGOING_PRIVATE_HOSTS", "*.cluster.local:8545"],
  ])("does not take %s=%s", (name, value) => {
    expect(() => readOutgoingRules({ [name]: value })).toThrow(new RegExp(`^${name} must be`));
  });
});

describe("permissionFor", () => {
  it.each([
    ["https://a.example.com/", ["a.example.com"], "public"],
    ["https://A.EXAMPLE.com/", ["a.example.com"], "public"],
    ["https://a.example.com:443/", ["a.example.com"], "public"],
    ["https://a.example.com:8443/", ["a.example.com"], undefined],
    ["https://a.example.com:8443/", ["a.example.com:8443"], "public"],
    ["https://a.example.com/", ["a.example.com:8443"], undefined],
    ["https://b.a.example.com/", ["a.example.com"], undefined],
    ["https://b.example.com/", ["*.example.com"], "public"],
    ["https://c.b.example.com/", ["*.example.com"], "public"],
    ["https://example.com/", ["*.example.com"], undefined],
    ["https://evilexample.com/", ["*.example.com"], undefined],
    ["https://example.com.evil.org/", ["example.com"], undefined],
    ["https://a.example.com@evil.org/", ["a.example.com"], undefined],
    ["http://a.example.com/", ["a.example.com"], undefined],
    ["https://127.0.0.1/", ["127.0.0.1"], undefined],
    ["https://0x7f.1/", ["127.0.0.1"], undefined],
    ["https://1.1.1.1/", ["1.1.1.1"], "public"],
    ["https://[::1]/", ["*.example.com"], undefined],
  ] as const)("judges %s by %j: %s", (url, hosts, expected) => {
    expect(permission(url, hosts)).toBe(expected);
  });

  it("takes a private host at its very port, with TLS or without", () => {
    const hosts = ["10.0.0.1:8545", "node.cluster.local:443", "[::1]:80"];
    expect(permission("http://10.0.0.1:8545/", [], hosts)).toBe("private");
    expect(permission("https://node.cluster.local/", [], hosts)).toBe("private");
    expect(permission("http://[::1]/", [], hosts)).toBe("private");
    expect(permission("http://10.0.0.1:8546/", [], hosts)).toBeUndefined();
    expect(permission("http://node.cluster.local/", [], hosts)).toBeUndefined();
  });
});
