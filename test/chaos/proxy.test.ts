import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";

// The proxy that breaks the ways to NATS and PostgreSQL, in front of a server that says what it hears.

let server: Server;
let proxy: TcpProxy;
let client: Socket;
let heard = "";

beforeAll(async () => {
  server = createServer((socket) => socket.on("error", () => undefined).pipe(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => void server.close());
beforeEach(async () => {
  proxy = await startTcpProxy({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  client = await connected();
});
afterEach(async () => {
  client.destroy();
  await proxy.stop();
});

async function connected(): Promise<Socket> {
  const socket = connect(proxy.port, "127.0.0.1").setEncoding("utf8");
  heard = "";
  socket.on("data", (text) => {
    heard += text;
  });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** How long it took until all of it came back. */
async function echo(text: string): Promise<number> {
  const startedAt = performance.now();
  const before = heard.length;
  client.write(text);
  while (heard.length < before + text.length) await sleep(5);
  expect(heard.slice(before)).toBe(text);
  return performance.now() - startedAt;
}

/** However it comes about. */
function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

describe("the fault proxy", () => {
  it("passes on what comes, in both directions", async () => {
    await echo("one");
    await echo("two".repeat(100_000));
  });

  it("delays each way, in order, until it forwards again", async () => {
    proxy.delay(150);
    expect(await echo("late")).toBeGreaterThanOrEqual(290);
    const both = echo("ab");
    proxy.forward();
    await both;
    expect(await echo("c")).toBeLessThan(290);
    expect(heard).toBe("lateabc");
  });

  it("lets no more through than it has bandwidth, loses nothing, and is fast again afterwards", async () => {
    await echo("warm");
    proxy.slow(100_000);
    // 30 kB at 100 kB/s, there and back, one behind the other.
    expect(await echo("x".repeat(30_000))).toBeGreaterThanOrEqual(300);
    const much = "y".repeat(2_000_000);
    const echoed = echo(much);
    await sleep(300);
    proxy.forward();
    expect(await echoed).toBeLessThan(10_000);
  });

  it("swallows what comes, tells nobody, and forwards what comes later", async () => {
    proxy.swallow();
    client.write("lost");
    await sleep(200);
    expect(heard).toBe("");
    proxy.forward();
    await echo("found");
  });

  it("makes connections half-open: they lead nowhere for good, and new ones are fine", async () => {
    proxy.swallowOld();
    client.write("lost");
    await sleep(200);
    expect(heard).toBe("");
    client.destroy();
    client = await connected();
    await echo("found");
  });

  it.each(["end", "reset"] as const)("hangs up by %s", async (how) => {
    await echo("one");
    const error = new Promise<string | undefined>((resolve) => {
      client.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code));
      client.on("end", () => resolve(undefined));
    });
    proxy.hangUp(how);
    expect(await error).toBe(how === "reset" ? "ECONNRESET" : undefined);
    client.destroy();
    client = await connected();
    await echo("two");
  });

  it("refuses, and cuts what there is", async () => {
    const closed = closing(client);
    proxy.refuse();
    await closed;
    await closing(connect(proxy.port, "127.0.0.1").on("error", () => undefined));
    proxy.forward();
    client = await connected();
    await echo("again");
  });
});
