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

describe("an array in a body", () => {
  const user = "collector";
  const many = <T>(count: number, of: (index: number) => T) =>
    Array.from({ length: count }, (_, at) => of(at));
  /** "taken", "too many" members in what the pointer names, or what else was answered. */
  const outcomeOf = async (method: string, path: string, body: object, pointer: string, maximum: number) => {
    const reply = await send(user, method, path, { body });
    if (reply.ok) return "taken";
    const { errors, ...problem } = (await reply.json()) as { errors?: { pointer: string; detail: string }[] };
    const detail = `must have at most ${maximum} members`;
    const isTold = errors?.some((error) => error.pointer === pointer && error.detail === detail);
    return isTold ? "too many" : { ...problem, errors };
  };
  const created = async (path: string, body: object) =>
    ((await (await send(user, "POST", path, { body })).json()) as { id: string }).id;

  it("has a maximum wherever there is one, a thousand at most", async () => {
    const { paths } = (await (await fetch(`${system.url}/openapi.json`)).json()) as { paths: object };
    const bodies = Object.values(paths).flatMap((path: Record<string, { requestBody?: object }>) =>
      Object.values(path).map(({ requestBody }) => requestBody),
    );
    const arrays: { maxItems?: number }[] = [];
    JSON.stringify(bodies, (_, member) => {
      if (member?.type === "array") arrays.push(member);
      return member;
    });
    expect(arrays.length).toBeGreaterThan(4);
    for (const { maxItems } of arrays) expect(maxItems).toBeLessThanOrEqual(1_000);
  });

  it("may have its maximum of members, and not one more", async () => {
    const account = await created("/v1/accounts", { name: "Many", account_type: "manual" });
    const portfolio = await created("/v1/portfolios", { name: "Many" });
    const holdings = (count: number) => many(count, (index) => ({ asset: `A${index}`, quantity: "1" }));
    const held = `/v1/accounts/${account}/holdings`;
    expect(await outcomeOf("PUT", held, holdings(1_000), "", 1_000)).toBe("taken");
    expect(
      ((await (await send(user, "GET", `/v1/accounts/${account}`)).json()) as { holdings: object[] })
        .holdings,
    ).toHaveLength(1_000);
    expect(await outcomeOf("PUT", held, holdings(1_001), "", 1_000)).toBe("too many");

    const linked = (count: number) => ({ account_ids: many(count, () => account) });
    const links = `/v1/portfolios/${portfolio}/accounts`;
    expect(await outcomeOf("PUT", links, linked(100), "/account_ids", 100)).toBe("taken");
    expect(await outcomeOf("PUT", links, linked(101), "/account_ids", 100)).toBe("too many");

    const targets = (count: number) => ({
      name: "Targets",
      target_allocation: many(count, (index) => ({ symbol: `A${index}`, target_pct: 100 / count })),
    });
    expect(await outcomeOf("POST", "/v1/portfolios", targets(200), "/target_allocation", 200)).toBe("taken");
    expect(await outcomeOf("POST", "/v1/portfolios", targets(201), "/target_allocation", 200)).toBe(
      "too many",
    );

    const order = {
      action: "buy",
      asset: "BTC",
      quantity: "1",
      estimated_price: "1",
      estimated_value_usd: "1",
    };
    const orders = (count: number) => ({
      recommendation_type: "rebalance",
      rationale: "Many",
      proposed_orders: many(count, () => order),
    });
    const recommendations = `/v1/portfolios/${portfolio}/recommendations`;
    expect(await outcomeOf("POST", recommendations, orders(100), "/proposed_orders", 100)).toBe("taken");
    expect(await outcomeOf("POST", recommendations, orders(101), "/proposed_orders", 100)).toBe("too many");

    const wallet = (count: number) => ({
      name: "Chains",
      account_type: "wallet",
      wallet_address: "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045",
      enabled_chains: many(count, () => "ethereum"),
    });
    expect(await outcomeOf("POST", "/v1/accounts", wallet(50), "/enabled_chains", 50)).toBe("taken");
    expect(await outcomeOf("POST", "/v1/accounts", wallet(51), "/enabled_chains", 50)).toBe("too many");
  });
});

describe("the headers", () => {
  it("may have 16 KiB less a byte, and not one more", async () => {
    const path = "/v1/me";
    const start = `GET ${path} HTTP/1.1\r\n${known}`;
    // The parser counts the address, names and values, and neither what separates them nor the ends of lines.
    const counted = path.length + known.replaceAll(/: |\r\n/g, "").length + "X-A".length;
    const filled = (length: number) => `${start}X-A: ${"a".repeat(length - counted)}\r\n\r\n`;
    expect(await statusOf(filled(16 * KIBIBYTE - 1))).toBe(200);
    expect(await statusOf(filled(16 * KIBIBYTE))).toBe(431);
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
