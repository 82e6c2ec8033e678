import type { LookupAddress } from "node:dns";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Outgoing } from "../../../services/common/outgoing/outgoing.ts";
import { openOutgoing } from "../../../services/common/outgoing/outgoing.ts";
import { json, type ProviderServer, startProvider } from "../../support/providers/provider-server.ts";

let server: ProviderServer;
let outgoing: Outgoing;
const opened: Outgoing[] = [];

type Options = Partial<Parameters<typeof openOutgoing>[0]>;

function open(options: Options = {}): Outgoing {
  const rules = { hosts: ["api.example.com"], privateHosts: [server.host] };
  const one = openOutgoing({ rules, timeoutMs: 20_000, ...options });
  opened.push(one);
  return one;
}

/** A resolver that knows one answer to everything. */
const resolvingTo =
  (...addresses: readonly string[]) =>
  (_: string, __: object, callback: (error: null, addresses: LookupAddress[]) => void) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );

beforeAll(async () => {
  server = await startProvider(({ method, path, headers, body }) => {
    if (path === "/nothing") return { status: 204, body: "" };
    return json({ method, path, body, key: headers["x-key"], encoding: headers["accept-encoding"] });
  });
  outgoing = open();
});
afterAll(async () => {
  for (const each of opened) each.close();
  await server.stop();
});
beforeEach(() => server.misbehave());

describe("outgoing.fetch", () => {
  it("asks as fetch does, and answers as it does", async () => {
    const response = await outgoing.fetch(`${server.url}/path?query=1`, {
      method: "POST",
      headers: { "X-Key": "k", "Accept-Encoding": "gzip" },
      body: "{}",
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toEqual({
      method: "POST",
      path: "/path?query=1",
      body: "{}",
      key: "k",
      encoding: "identity",
    });
    expect((await outgoing.fetch(new URL(`${server.url}/nothing`))).status).toBe(204);
    expect((await outgoing.fetch(new Request(`${server.url}/x`, { method: "DELETE" }))).status).toBe(200);
  });

  it.each([
    "https://other.example.com/?key=1",
    "https://api.example.com:8443/?key=1",
    "http://api.example.com/?key=1",
    "https://user:key=1@api.example.com/",
    "https://api.example.com.evil.example/?key=1",
    "https://localhost/?key=1",
    "http://localhost:1/?key=1",
    "ftp://api.example.com/?key=1",
    "file:///etc/passwd?key=1",
    "data:text/plain,key=1",
    "key=1",
  ])("does not ask %s, and tells nothing of a key in it", async (url) => {
    const error = await outgoing.fetch(url).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "OutgoingError", kind: "not_allowed" });
    expect(String(error)).not.toContain("key=1");
  });

  it.each([
    ["loopback", ["127.0.0.1"]],
    ["the cloud's metadata", ["169.254.169.254"]],
    ["a private one", ["10.1.2.3"]],
    ["a private one beside a public one", ["1.1.1.1", "192.168.0.1"]],
    ["loopback in IPv6", ["::1"]],
    ["an IPv4 address in IPv6", ["::ffff:127.0.0.1"]],
    ["one unique to a network", ["fd00::1"]],
    ["none", []],
  ])("does not connect to an allowed name that resolves to %s", async (_, addresses) => {
    const resolve = resolvingTo(...addresses);
    await expect(open({ resolve }).fetch("https://api.example.com/")).rejects.toMatchObject({
      kind: "private_address",
    });
  });

  it("looks at each connection's address anew, so that a name cannot be bound to another one later", async () => {
    const asked: string[] = [];
    const resolve: Options["resolve"] = (hostname, options, callback) => {
      asked.push(hostname);
      resolvingTo("127.0.0.1")(hostname, options, callback);
    };
    const guarded = open({ resolve });
    await guarded.fetch("https://api.example.com/").catch(() => undefined);
    await guarded.fetch("https://api.example.com/").catch(() => undefined);
    expect(asked).toEqual(["api.example.com", "api.example.com"]);
  });

  it("does not follow redirects", async () => {
    server.misbehave("redirect");
    expect((await outgoing.fetch(server.url)).status).toBe(302);
  });

  it.each([
    ["reset", "unreachable"],
    ["cut", "unreachable"],
    ["silent", "timed_out"],
    ["huge", "too_large"],
  ] as const)("says of %s: %s", async (how, kind) => {
    server.misbehave(how);
    const asking = open({ timeoutMs: how === "silent" ? 200 : 20_000, maxBodyBytes: 100_000 });
    await expect(asking.fetch(`${server.url}/?key=1`)).rejects.toMatchObject({
      name: "OutgoingError",
      kind,
      message: expect.not.stringContaining("key=1"),
    });
  });

  it("ends a body that does not end, and one that is a byte too long", async () => {
    const { length } = await (await outgoing.fetch(server.url)).text();
    expect((await open({ maxBodyBytes: length }).fetch(server.url)).status).toBe(200);
    await expect(open({ maxBodyBytes: length - 1 }).fetch(server.url)).rejects.toMatchObject({
      kind: "too_large",
    });
  });

  it("throws the signal's reason when it is aborted, before and after it has asked", async () => {
    server.misbehave("silent");
    const reason = new Error("enough");
    const controller = new AbortController();
    const asking = outgoing.fetch(server.url, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await expect(asking).rejects.toBe(reason);
    const before = server.requests.length;
    await expect(outgoing.fetch(server.url, { signal: controller.signal })).rejects.toBe(reason);
    expect(server.requests).toHaveLength(before);
  });

  it("has few connections to one host at once, and takes on no more requests than it can wait for", async () => {
    const busy = open({ timeoutMs: 10_000 });
    const outcomes = await Promise.allSettled(Array.from({ length: 501 }, () => busy.fetch(server.url)));
    expect(server.mostAtOnce).toBeLessThanOrEqual(8);
    expect(outcomes.filter(({ status }) => status === "rejected")).toEqual([
      { status: "rejected", reason: expect.objectContaining({ kind: "busy" }) },
    ]);
  });

  it("asks again on a new connection when the kept one had been closed by the other end", async () => {
    const closing = await startProvider(() => json({}));
    const kept = open({ rules: { hosts: [], privateHosts: [closing.host] } });
    await kept.fetch(closing.url);
    let isFirst = true;
    closing.misbehave(() => {
      const how = isFirst ? "reset" : undefined;
      isFirst = false;
      return how;
    });
    expect((await kept.fetch(closing.url)).status).toBe(200);
    await closing.stop();
  });
});
