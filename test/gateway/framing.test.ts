import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { ProblemCode } from "../../services/common/problem.ts";
import { type System, startSystem } from "../support/system.ts";
import { checkedProblem, type Exchange, exchange, tokenOf } from "./http.ts";

let system: System;
/** `Host` and the credentials of a user. */
let known: string;

beforeAll(async () => {
  system = await startSystem();
  known = `Host: x\r\nAuthorization: Bearer ${await tokenOf(system, "alice")}\r\n`;
});
afterAll(() => system.stop());

const POST = "POST /v1/portfolios HTTP/1.1\r\n";
const GET = "GET /v1/me HTTP/1.1\r\n";
const JSON_TYPE = "Content-Type: application/json\r\n";

/** One problem, whole, and the connection closed behind it. */
function expectRefused({ replies, closed }: Exchange, code: ProblemCode, status: number): void {
  expect([replies.map((reply) => reply.status), closed]).toEqual([[status], true]);
  const [reply] = replies;
  expect(reply?.headers).toMatchObject({ "content-type": "application/problem+json", connection: "close" });
  checkedProblem(reply?.body ?? "", code, status);
}

describe("a request whose framing is ambiguous", () => {
  it.each<[string, (known: string) => string]>([
    [
      "a length and chunks",
      (known) => `${POST}${known}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      "chunks and a length",
      (known) => `${POST}${known}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
    ],
    ["two lengths", (known) => `${POST}${known}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
    ["the same length twice", (known) => `${POST}${known}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`],
    ["a list of lengths", (known) => `${POST}${known}Content-Length: 2, 2\r\n\r\n{}`],
    ["a signed length", (known) => `${POST}${known}Content-Length: +2\r\n\r\n{}`],
    ["a negative length", (known) => `${POST}${known}Content-Length: -1\r\n\r\n`],
    ["a hexadecimal length", (known) => `${POST}${known}Content-Length: 0x2\r\n\r\n{}`],
    [
      "a coding that ends without chunks",
      (known) => `${POST}${known}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
    ],
    ["a coding like chunked", (known) => `${POST}${known}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
    [
      "a chunk size that is none",
      (known) => `${POST}${known}${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n`,
    ],
    [
      "a chunk that is longer than it says",
      (known) => `${POST}${known}${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n`,
    ],
    ["bare line feeds", (known) => `${GET}${known}\r\n`.replaceAll("\r\n", "\n")],
    ["one bare line feed", (known) => `${GET}X-A: b\n${known}\r\n`],
    ["a bare carriage return", (known) => `${GET}X-A: b\rX-B: c\r\n${known}\r\n`],
    ["a folded header", (known) => `${GET}X-A: b\r\n c\r\n${known}\r\n`],
    ["a blank before the colon", (known) => `${GET}X-A : b\r\n${known}\r\n`],
    ["NUL in a header", (known) => `${GET}X-A: b\0c\r\n${known}\r\n`],
    ["a byte of no character in the address", (known) => `GET /v1/\xe9 HTTP/1.1\r\n${known}\r\n`],
    ["a blank in the address", (known) => `GET /v1/me x HTTP/1.1\r\n${known}\r\n`],
    ["an unknown method", (known) => `FETCH /v1/me HTTP/1.1\r\n${known}\r\n`],
    ["an unknown version", (known) => `GET /v1/me HTTP/7.0\r\n${known}\r\n`],
    ["the preface of HTTP/2", () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["the beginning of TLS", () => "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"],
    ["CONNECT", () => "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n"],
    ["no Host", (known) => `${GET}${known.replace("Host: x\r\n", "")}\r\n`],
    ["two Hosts", (known) => `${GET}Host: y\r\n${known}\r\n`],
  ])("is refused with 400, and the connection closed: %s", async (_, text) => {
    expectRefused(await exchange(system.url, text(known)), "MALFORMED_REQUEST", 400);
  });

  it("creates nothing", async () => {
    expect(await system.database.query("select id from portfolios.portfolios")).toEqual([]);
  });
});

describe("what is allowed, though rare", () => {
  it.each<[string, number, (known: string) => string]>([
    [
      "HTTP/1.0 without Host",
      200,
      (known) => `GET /v1/me HTTP/1.0\r\n${known.replace("Host: x\r\n", "")}\r\n`,
    ],
    [
      "an offer to upgrade",
      200,
      (known) => `${GET}${known}Connection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n`,
    ],
    ["an unknown expectation", 200, (known) => `${GET}${known}Expect: magic\r\nConnection: close\r\n\r\n`],
    [
      "a body of chunks",
      201,
      (known) =>
        `${POST}${known}${JSON_TYPE}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n8\r\n{"name":\r\n4\r\n"x"}\r\n0\r\n\r\n`,
    ],
  ])("is answered: %s", async (_, status, text) => {
    const { replies } = await exchange(system.url, text(known));
    expect(replies.map((reply) => reply.status)).toEqual([status]);
  });

  it("asks for the body where the client waits to be asked", async () => {
    const head = `${POST}${known}${JSON_TYPE}Expect: 100-continue\r\nContent-Length: 12\r\nConnection: close\r\n\r\n`;
    const { replies } = await exchange(system.url, `${head}{"name":"x"}`);
    expect(replies.map((reply) => reply.status)).toEqual([100, 201]);
  });

  it("two requests at once are answered in their order", async () => {
    const second = `GET /health HTTP/1.1\r\n${known}Connection: close\r\n\r\n`;
    const { replies } = await exchange(system.url, `${GET}${known}\r\n${second}`);
    expect(replies.map(({ body }) => JSON.parse(body))).toEqual([
      expect.objectContaining({ user_id: "alice" }),
      { status: "ok", service: "gateway" },
    ]);
  });
});

describe("two Authorization headers", () => {
  it("are no token, whichever is good", async () => {
    const text = `${GET}${known}Authorization: Bearer other\r\nConnection: close\r\n\r\n`;
    const [reply] = (await exchange(system.url, text)).replies;
    checkedProblem(reply?.body ?? "", "UNAUTHENTICATED", 401);
  });
});

describe("headers", () => {
  it("are refused with 431 above 16 KiB, and taken below", async () => {
    const filled = (length: number) =>
      `${GET}${known}X-A: ${"a".repeat(length)}\r\nConnection: close\r\n\r\n`;
    const [taken] = (await exchange(system.url, filled(14_000))).replies;
    expect(taken?.status).toBe(200);
    expectRefused(await exchange(system.url, filled(16_500)), "HEADERS_TOO_LARGE", 431);
    const many = `${GET}${known}${"a: b\r\n".repeat(20_000)}\r\n`;
    expectRefused(await exchange(system.url, many), "HEADERS_TOO_LARGE", 431);
  });
});

describe("a body that is announced as too large", () => {
  it("is refused with 413 before it has come", async () => {
    const head = `${POST}${known}${JSON_TYPE}Content-Length: 65537\r\nConnection: close\r\n\r\n`;
    const { replies, afterMs } = await exchange(system.url, head);
    checkedProblem(replies[0]?.body ?? "", "PAYLOAD_TOO_LARGE", 413);
    expect(afterMs).toBeLessThan(5_000);
  });

  it("is refused when it comes in chunks that add up to it", async () => {
    const chunk = `8000\r\n${" ".repeat(0x8000)}\r\n`;
    const head = `${POST}${known}${JSON_TYPE}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n`;
    const { replies } = await exchange(system.url, `${head}${chunk.repeat(3)}0\r\n\r\n`);
    checkedProblem(replies[0]?.body ?? "", "PAYLOAD_TOO_LARGE", 413);
  });
});

describe("who sends slowly", () => {
  it("is told 408 and cut off in about ten seconds, whatever is slow", async () => {
    const unfinished = `${POST}${known}${JSON_TYPE}Content-Length: 900\r\n\r\n{`;
    const slow: [string, string?][] = [
      [""],
      ["GET /v1/me HT"],
      [`${GET}Host: x\r\n`, "X-A: b\r\n"],
      [unfinished],
      [unfinished, " "],
      [`${POST}${known}${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n`, "1\r\n \r\n"],
    ];
    const withoutToken = unfinished.replace(/Authorization: .*\r\n/, "");
    const [answered, ...exchanges] = await Promise.all([
      exchange(system.url, withoutToken, " "),
      ...slow.map(([bytes, drip]) => exchange(system.url, bytes, drip)),
    ]);
    for (const each of exchanges) {
      expectRefused(each, "REQUEST_TIMEOUT", 408);
      expect(each.afterMs).toBeGreaterThan(5_000);
      // Ten seconds, and some for a busy machine.
      expect(each.afterMs).toBeLessThan(12_000);
    }
    // Where there was something to say at once, it was said, and the rest not waited for.
    expect(answered.replies.map(({ status }) => status)).toEqual([401, 408]);
    expect(answered.closed).toBe(true);
  });
});

describe("who was refused and does not let go", () => {
  it("is cut off", async () => {
    const { hostname: host, port } = new URL(system.url);
    const socket = connect({ host, port: Number(port), allowHalfOpen: true });
    let failure = "";
    socket.resume().on("error", ({ message }) => {
      failure = message;
    });
    socket.write("NONSENSE\r\n\r\n");
    await once(socket, "end");
    // Said nothing more for a while: then the server has let go of its side too, and refuses what comes.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const cut = new Promise((resolve) => socket.once("close", resolve));
    const writing = setInterval(() => socket.write(" "), 50);
    const patience = setTimeout(() => socket.destroy(new Error("never cut")), 10_000);
    await cut;
    clearInterval(writing);
    clearTimeout(patience);
    expect(failure).toMatch(/EPIPE|ECONNRESET/);
  });
});
