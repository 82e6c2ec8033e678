import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type System, startSystem } from "../support/system.ts";
import { checkedProblem, exchange, expectProblem, type Send, senderTo, tokenOf } from "./http.ts";

// Every limit of what a request may be, at its edge: the largest that is taken, and the smallest that is not.

const KIBIBYTE = 1024;

let system: System;
let send: Send;
/** `Host` and the credentials of a user. */
let known: string;

beforeAll(async () => {
  system = await startSystem();
  send = senderTo(system);
  known = `Host: x\r\nAuthorization: Bearer ${await tokenOf(system, "alice")}\r\nConnection: close\r\n`;
});
afterAll(() => system.stop());

const JSON_TYPE = { "Content-Type": "application/json" };

async function statusOf(text: string): Promise<number | undefined> {
  return (await exchange(system.url, text)).replies[0]?.status;
}

describe("a body", () => {
  const bodyOf = (length: number) => '{"name":"x"}'.padEnd(length, " ");

  it("may have 64 KiB, and not a byte more", async () => {
    const taken = await send("alice", "POST", "/v1/portfolios", {
      body: bodyOf(64 * KIBIBYTE),
      headers: JSON_TYPE,
    });
    expect(taken.status).toBe(201);
    const refused = await send("alice", "POST", "/v1/portfolios", {
      body: bodyOf(64 * KIBIBYTE + 1),
      headers: JSON_TYPE,
    });
    await expectProblem(refused, "PAYLOAD_TOO_LARGE", 413);
  });

  it("may come in chunks of as much, and not a byte more", async () => {
    const post = (length: number) => {
      const body = bodyOf(length);
      const half = 32 * KIBIBYTE;
      const chunks = [body.slice(0, half), body.slice(half)].map(
        (chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`,
      );
      return `POST /v1/portfolios HTTP/1.1\r\n${known}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.join("")}0\r\n\r\n`;
    };
    expect(await statusOf(post(64 * KIBIBYTE))).toBe(201);
    expect(await statusOf(post(64 * KIBIBYTE + 1))).toBe(413);
  });

  it("may be nested 32 levels deep, and not one more", async () => {
    // The body is a level itself.
    const nested = (levels: number) => `{"guardrails":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
    const pointers = async (levels: number) => {
      const reply = await send("alice", "POST", "/v1/portfolios", {
        body: nested(levels),
        headers: JSON_TYPE,
      });
      expect(reply.status).toBe(400);
      const { errors } = (await reply.json()) as { errors: { pointer: string; detail: string }[] };
      return errors.map(({ pointer }) => pointer);
    };
    // What is not too deep is looked at, and wrong for another reason.
    expect(await pointers(32)).toContain("/guardrails");
    expect(await pointers(33)).toEqual([""]);
  });
});

describe("the headers", () => {
  it("may have 16 KiB, and no more", async () => {
    const start = `GET /v1/me HTTP/1.1\r\n${known}`;
    const filled = (length: number) => {
      const rest = "X-A: \r\n\r\n".length;
      return `${start}X-A: ${"a".repeat(length - start.length - rest)}\r\n\r\n`;
    };
    // The parser counts names, values and the address, but no line ends; so the edge is looked for a bit below.
    expect(await statusOf(filled(16 * KIBIBYTE - 64))).toBe(200);
    expect(await statusOf(filled(16 * KIBIBYTE + 64))).toBe(431);
  });

  it("may be a hundred, and not one more: what would be left out unread could be what matters", async () => {
    const start = `GET /v1/me HTTP/1.1\r\n${known}`;
    const own = known.split("\r\n").length - 1;
    const many = (count: number) => `${start}${"X-A: b\r\n".repeat(count - own)}\r\n`;
    expect(await statusOf(many(100))).toBe(200);
    const [refused] = (await exchange(system.url, many(101))).replies;
    expect(refused?.status).toBe(431);
    expect(checkedProblem(refused?.body ?? "", "HEADERS_TOO_LARGE", 431).detail).toContain("100");
    // Past two thousand Node itself would leave them out.
    expect(await statusOf(many(2_100))).toBe(431);
  });
});

describe("the address", () => {
  it("may have 8 KiB, and not a character more", async () => {
    const path = (length: number) => "/v1/".padEnd(length, "a");
    expect((await send("alice", "GET", path(8 * KIBIBYTE))).status).toBe(404);
    await expectProblem(await send("alice", "GET", path(8 * KIBIBYTE + 1)), "URI_TOO_LONG", 414);
  });

  it("may have 20 parameters, and not one more", async () => {
    const query = (count: number) => Array.from({ length: count }, (_, at) => `a${at}=1`).join("&");
    const pointers = async (count: number) => {
      const reply = await send("alice", "GET", `/v1/portfolios?${query(count)}`);
      const { errors } = (await reply.json()) as { errors: { pointer: string }[] };
      return errors.map(({ pointer }) => pointer);
    };
    expect(await pointers(20)).toHaveLength(20);
    expect(await pointers(21)).toEqual([""]);
  });
});

describe("requests ahead of their replies, on one connection", () => {
  const ahead = (count: number) =>
    `GET /v1/me HTTP/1.1\r\n${known.replace("Connection: close\r\n", "")}\r\n`.repeat(count - 1) +
    `GET /v1/me HTTP/1.1\r\n${known}\r\n`;

  it("may be 32 beside the one that is being answered; the next is refused, and the connection closed", async () => {
    const { replies: taken } = await exchange(system.url, ahead(33));
    expect(taken.map(({ status }) => status)).toEqual(Array.from({ length: 33 }, () => 200));
    const { replies, closed } = await exchange(system.url, ahead(60));
    expect(replies.map(({ status }) => status)).toEqual([...Array.from({ length: 33 }, () => 200), 503]);
    expect(closed).toBe(true);
    const last = replies.at(-1);
    expect(last?.headers).toMatchObject({ connection: "close", "retry-after": "1" });
    checkedProblem(last?.body ?? "", "OVERLOADED", 503);
  });
});
