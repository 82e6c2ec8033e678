import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { close, createHttpServer, listen } from "../../services/gateway/server.ts";
import { type System, startSystem } from "../support/system.ts";
import { checkedProblem, exchange, tokenOf } from "./http.ts";

/** What is promised, and as much again for a busy machine. */
const CUT_WITHIN_MS = 20_000;
const SILENT_SOCKETS = 2_000;
const AT_ONCE = 100;

let system: System;
let known: string;

beforeAll(async () => {
  system = await startSystem();
  known = `Host: x\r\nAuthorization: Bearer ${await tokenOf(system, "alice")}\r\n`;
}, 60_000);
afterAll(() => system.stop());

async function open(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket.resume();
}

function closing(socket: Socket): Promise<boolean> {
  if (socket.closed) return Promise.resolve(true);
  const closed = new Promise<boolean>((resolve) => socket.once("close", () => resolve(true)));
  return Promise.race([closed, pause(CUT_WITHIN_MS, false, { ref: false })]);
}

describe("two thousand sockets on which nothing comes", () => {
  it("harm nobody: requests, new connections and the process's own pages are answered, and they are cut off", async () => {
    const sockets: Socket[] = [];
    while (sockets.length < SILENT_SOCKETS)
      sockets.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => open(system.url)))));
    const cut = Promise.all(sockets.map(closing));
    const gateway = system.replicas.find(({ service }) => service === "gateway");
    const urls = [`${system.url}/health`, `${gateway?.metricsUrl}/health`, `${gateway?.metricsUrl}/metrics`];
    for (let round = 0; round < 5; round += 1) {
      expect((await system.request("good", "GET", "/v1/portfolios")).status).toBe(200);
      for (const url of urls)
        expect((await fetch(url, { headers: { Connection: "close" } })).status).toBe(200);
    }
    expect((await cut).filter((isCut) => !isCut)).toEqual([]);
    expect((await system.request("good", "GET", "/v1/portfolios")).status).toBe(200);
  }, 90_000);
});

describe("connections", () => {
  it("that say nothing make room for new ones; where nobody is silent, one too many is closed at once", async () => {
    const server = createHttpServer((_, response) => void response.end("x"), 10);
    await listen(server, 0, "127.0.0.1");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const ask = async (socket: Socket) => {
      socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      const [reply] = (await once(socket, "data")) as [Buffer];
      expect(reply.toString()).toMatch(/^HTTP\/1\.1 200 /);
    };
    const accepted = async () => {
      const connection = once(server, "connection");
      const socket = await open(url);
      await connection;
      return socket;
    };
    const silent: Socket[] = [];
    while (silent.length < 9) silent.push(await accepted());
    // They have had time to say something.
    await pause(1_100);
    // Nine are nine tenths: from now on each new one takes the place of the oldest silent one.
    const talking: Socket[] = [];
    while (talking.length < 9) {
      const socket = await accepted();
      await ask(socket);
      await closing(silent[talking.length] as Socket);
      talking.push(socket);
    }
    expect(silent.every(({ closed }) => closed)).toBe(true);
    for (const socket of talking) await ask(socket);
    const last = await accepted();
    await ask(last);
    const tooMany = await open(url);
    expect(await closing(tooMany)).toBe(true);
    for (const socket of [...talking, last]) {
      await ask(socket);
      socket.destroy();
    }
    await close(server);
  }, 60_000);
});

describe("connections, when it is crowded", () => {
  it("make room that have begun a request, or are idle after one; those that wait for a reply stay", async () => {
    const slow: ServerResponse[] = [];
    const server = createHttpServer((request, response) => {
      if (request.url === "/slow") slow.push(response);
      else response.end("x");
    }, 10);
    await listen(server, 0, "127.0.0.1");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const ask = async (socket: Socket, path: string) => {
      const heard = once(server, "request");
      socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await heard;
    };
    const waiting = await Promise.all(Array.from({ length: 3 }, () => open(url)));
    for (const socket of waiting) await ask(socket, "/slow");
    const begun = await Promise.all(Array.from({ length: 3 }, () => open(url)));
    for (const socket of begun) socket.write("G");
    const idle = await Promise.all(Array.from({ length: 3 }, () => open(url)));
    for (const socket of idle) await ask(socket, "/");
    await pause(1_100);
    const makeRoom = [...begun, ...idle];
    const cut = makeRoom.map(closing);
    for (const _ of makeRoom) await ask(await open(url), "/");
    expect(await Promise.all(cut)).toEqual(makeRoom.map(() => true));
    const replies = waiting.map((socket) => once(socket, "data"));
    for (const response of slow) response.end("at last");
    for (const [reply] of await Promise.all(replies)) {
      expect((reply as Buffer).toString()).toMatch(/^HTTP\/1\.1 200 .*at last$/s);
    }
    for (const socket of waiting) socket.destroy();
    server.closeAllConnections();
    await close(server);
  }, 60_000);
});

describe("what could be read as another request", () => {
  const post = "POST /v1/portfolios HTTP/1.1\r\n";
  const type = "Content-Type: application/json\r\n";
  const hidden = "GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n";

  it.each<[string, (known: string) => string]>([
    [
      "chunks in capitals with a length",
      (known) => `${post}${known}Transfer-Encoding: CHUNKED\r\nContent-Length: 3\r\n\r\n0\r\n\r\n${hidden}`,
    ],
    [
      "chunks twice",
      (known) =>
        `${post}${known}${type}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    ],
    [
      "identity after chunks",
      (known) =>
        `${post}${known}${type}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${hidden}`,
    ],
    [
      "a tab before the coding's colon",
      (known) => `${post}${known}${type}Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    ],
    [
      "a folded coding",
      (known) => `${post}${known}${type}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${hidden}`,
    ],
    [
      "a coding behind a line feed",
      (known) => `${post}${known}${type}X-A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    ],
    [
      "quotes around the coding",
      (known) => `${post}${known}${type}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n${hidden}`,
    ],
    [
      "a vertical tab in the coding",
      (known) => `${post}${known}${type}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n${hidden}`,
    ],
    [
      "a length with a blank in it",
      (known) => `${post}${known}${type}Content-Length: 1 2\r\n\r\n{}${hidden}`,
    ],
    [
      "a length that overflows",
      (known) => `${post}${known}${type}Content-Length: 18446744073709551617\r\n\r\n{${hidden}`,
    ],
    [
      "a chunk size with a blank before it",
      (known) => `${post}${known}${type}Transfer-Encoding: chunked\r\n\r\n 2\r\n{}\r\n0\r\n\r\n${hidden}`,
    ],
    [
      "a chunk size in C's notation",
      (known) => `${post}${known}${type}Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n${hidden}`,
    ],
    [
      "a chunk size that overflows",
      (known) =>
        `${post}${known}${type}Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n${hidden}`,
    ],
    [
      "a chunk extension with a line feed in it",
      (known) => `${post}${known}${type}Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\n{}\r\n0\r\n\r\n${hidden}`,
    ],
    [
      "chunks that end with bare line feeds",
      (known) => `${post}${known}${type}Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n${hidden}`,
    ],
    [
      "an endless chunk extension",
      (known) =>
        `${post}${known}${type}Transfer-Encoding: chunked\r\n\r\n2;${"a".repeat(20_000)}\r\n{}\r\n0\r\n\r\n${hidden}`,
    ],
  ])("is not: %s", async (_, text) => {
    const { replies, closed } = await exchange(system.url, text(known));
    // Nothing behind it is answered: the connection ends with one refusal.
    expect(closed).toBe(true);
    expect(replies).toHaveLength(1);
    expect([400, 413]).toContain(replies[0]?.status);
    checkedProblem(
      replies[0]?.body ?? "",
      replies[0]?.status === 413 ? "PAYLOAD_TOO_LARGE" : "MALFORMED_REQUEST",
      replies[0]?.status ?? 0,
    );
  });

  it.each<[string, string, number]>([
    ["a short chunk extension means nothing", '8;a="b"\r\n{"name":\r\n4\r\n"x"}\r\n0\r\n\r\n', 201],
    [
      "trailers mean nothing",
      '8\r\n{"name":\r\n4\r\n"x"}\r\n0\r\nX-A: b\r\nAuthorization: Bearer other\r\n\r\n',
      201,
    ],
  ])("%s", async (_, chunks, status) => {
    const text = `${post}${known}${type}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`;
    const { replies } = await exchange(system.url, text);
    expect(replies.map((reply) => reply.status)).toEqual([status]);
  });
});
