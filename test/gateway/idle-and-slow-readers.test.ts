import { once } from "node:events";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { close, createHttpServer, listen } from "../../services/gateway/server.ts";
import { type System, startSystem } from "../support/system.ts";

/** What is promised, and as much again for a busy machine. */
const CUT_WITHIN_MS = 20_000;

let system: System;
const subject = "good";

beforeAll(async () => {
  system = await startSystem();
}, 60_000);
afterAll(() => system.stop());

async function open(): Promise<Socket> {
  const { hostname, port } = new URL(system.url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** Whether the other side ends the connection in time. */
async function isCut(socket: Socket): Promise<boolean> {
  const cut = new Promise<boolean>((resolve) => socket.once("close", () => resolve(true)));
  return Promise.race([cut, pause(CUT_WITHIN_MS, false, { ref: false })]);
}

async function answersMeanwhile(): Promise<void> {
  expect((await system.request(subject, "GET", "/v1/portfolios")).status).toBe(200);
}

describe("sockets on which nothing comes", () => {
  it("are cut off, 400 of them at once, and others are served meanwhile", async () => {
    const sockets = await Promise.all(Array.from({ length: 400 }, open));
    for (const socket of sockets) socket.resume();
    const cut = Promise.all(sockets.map(isCut));
    await answersMeanwhile();
    expect((await cut).every(Boolean)).toBe(true);
    await answersMeanwhile();
  }, 60_000);

  it("are cut off between requests too", async () => {
    const socket = await open();
    const head = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
    socket.write(head);
    const [reply] = (await once(socket, "data")) as [Buffer];
    expect(reply.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*^Keep-Alive: timeout=9,/ims);
    socket.resume();
    expect(await isCut(socket)).toBe(true);
  }, 60_000);
});

describe("who asks and does not read", () => {
  it("is cut off, however much of the reply is left", async () => {
    const server = createHttpServer((_, response) => void response.end(Buffer.alloc(64 * 1024 * 1024)));
    await listen(server, 0, "127.0.0.1");
    const { port } = server.address() as AddressInfo;
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const client = connect({ host: "127.0.0.1", port });
    client.on("error", () => undefined);
    client.pause();
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const [socket] = await accepted;
    expect(await isCut(socket)).toBe(true);
    client.destroy();
    await close(server);
  }, 60_000);

  it("is let be while it reads on, be it slowly", async () => {
    const server = createHttpServer(async (_, response) => {
      // As pages are: the next one is written when the one before has gone out.
      for (let page = 0; page < 32; page += 1)
        if (!response.write(Buffer.alloc(512 * 1024))) await once(response, "drain");
      response.end();
    });
    await listen(server, 0, "127.0.0.1");
    const { port } = server.address() as AddressInfo;
    const client = connect({ host: "127.0.0.1", port });
    let read = 0;
    client.on("data", (chunk) => {
      read += chunk.length;
      client.pause();
      setTimeout(() => client.resume(), 50);
    });
    client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await once(client, "close");
    expect(read).toBeGreaterThan(16 * 1024 * 1024);
    await close(server);
  }, 60_000);
});
