import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Portfolio } from "../../services/portfolios/contract/portfolio.ts";
import { type System, startSystem } from "../support/system.ts";
import { expectProblem, type Send, senderTo } from "./http.ts";

let system: System;
let send: Send;

beforeAll(async () => {
  system = await startSystem();
  send = senderTo(system);
});
afterAll(() => system.stop());

/** A user of their own, so that the tests do not see each other's portfolios. */
function someone(): string {
  return `user-${randomUUID()}`;
}

async function create(user: string, body: object): Promise<Portfolio> {
  const reply = await send(user, "POST", "/v1/portfolios", { body });
  expect(reply.status).toBe(201);
  return Portfolio.parse(await reply.json());
}

async function list(user: string): Promise<Portfolio[]> {
  const reply = await send(user, "GET", "/v1/portfolios");
  expect(reply.status).toBe(200);
  return Portfolio.array().parse(await reply.json());
}

async function put(user: string, id: string, body: object, headers = {}): Promise<Portfolio> {
  const reply = await send(user, "PUT", `/v1/portfolios/${id}`, { body, headers });
  expect(reply.status).toBe(200);
  return Portfolio.parse(await reply.json());
}

describe("POST /v1/portfolios", () => {
  it.each(["", "/api"])(
    "answers 201 with the portfolio, its ETag and its address, below '%s'",
    async (prefix) => {
      const user = someone();
      const reply = await send(user, "POST", `${prefix}/v1/portfolios`, { body: { name: " Main " } });
      const portfolio = Portfolio.parse(await reply.json());
      expect([reply.status, reply.statusText, portfolio.name]).toEqual([201, "Created", "Main"]);
      expect(reply.headers.get("etag")).toBe('"1"');
      expect(reply.headers.get("location")).toBe(`${prefix}/v1/portfolios/${portfolio.id}`);
      const found = await send(user, "GET", reply.headers.get("location") as string);
      expect(await found.json()).toEqual(portfolio);
    },
  );

  it.each([1, 120])("takes a name of %d characters, and a body of exactly 64 KiB", async (length) => {
    const body = JSON.stringify({ name: "é".repeat(length) });
    const padded = body + " ".repeat(64 * 1024 - Buffer.byteLength(body));
    const headers = { "Content-Type": 'application/json; charset="UTF-8"' };
    const reply = await send(someone(), "POST", "/v1/portfolios", { body: padded, headers });
    expect(reply.status).toBe(201);
  });

  it("says that nobody on the way may keep the reply", async () => {
    const reply = await send(someone(), "POST", "/v1/portfolios", { body: { name: "Private" } });
    expect(reply.headers.get("cache-control")).toBe("private, no-store");
    expect(reply.headers.get("vary")).toBe("Authorization");
  });
});

describe("GET and DELETE without a body, but with its content type", () => {
  it("are answered as existing clients send them", async () => {
    const user = someone();
    const { id } = await create(user, { name: "Main" });
    const headers = { "Content-Type": "application/json" };
    for (const path of ["/v1/portfolios", `/v1/portfolios/${id}`, "/v1/me"]) {
      expect((await send(user, "GET", path, { headers })).status).toBe(200);
    }
    const deleted = await send(user, "DELETE", `/v1/portfolios/${id}`, { headers });
    expect([deleted.status, await deleted.text()]).toEqual([204, ""]);
    expect(await list(user)).toEqual([]);
  });
});

describe("PUT and PATCH /v1/portfolios/{id}", () => {
  it("change what is given and nothing else; the version grows, updated_at changes", async () => {
    const user = someone();
    const created = await create(user, {
      name: "Main",
      description: "mine",
      target_allocation: { BTC: 100 },
    });
    const renamed = await put(user, created.id, { name: "Other" });
    expect(renamed).toEqual({ ...created, name: "Other", version: 2, updated_at: expect.any(String) });
    expect(renamed.updated_at > created.updated_at).toBe(true);
    const reply = await send(user, "PATCH", `/v1/portfolios/${created.id}`, {
      body: { description: "ours" },
    });
    expect(reply.headers.get("etag")).toBe('"3"');
    expect(await reply.json()).toMatchObject({ name: "Other", description: "ours", version: 3 });
  });

  it("clear with null what is optional", async () => {
    const user = someone();
    const full = { description: "d", target_allocation: { BTC: 100 }, guardrails: { drift_band: 5 } };
    const { id } = await create(user, { name: "Main", ...full });
    const cleared = await put(user, id, { description: null, target_allocation: null, guardrails: null });
    for (const member of Object.keys(full)) expect(cleared).not.toHaveProperty(member);
    expect(await list(user)).toEqual([cleared]);
  });

  it("answer no body with the portfolio as it is", async () => {
    const user = someone();
    const { id, name } = await create(user, { name: "Main" });
    const reply = await send(user, "PUT", `/v1/portfolios/${id}`);
    expect([reply.status, Portfolio.parse(await reply.json()).name]).toEqual([200, name]);
  });

  it("move the default in one step", async () => {
    const user = someone();
    const first = await create(user, { name: "First" });
    const second = await create(user, { name: "Second" });
    expect([first.is_default, second.is_default]).toEqual([true, false]);
    expect(await put(user, second.id, { is_default: true })).toMatchObject({ is_default: true, version: 2 });
    const [one, two] = await list(user);
    expect([one?.is_default, two?.is_default]).toEqual([false, true]);
    expect(one).toMatchObject({ id: first.id, version: 2 });
  });
});

describe("If-Match", () => {
  it.each(["PUT", "PATCH", "DELETE"])("lets %s through when it is the ETag, or *", async (method) => {
    for (const given of ['"2"', "*"]) {
      const user = someone();
      const { id } = await create(user, { name: "Main" });
      await put(user, id, { name: "Second" }, { "If-Match": '"1"' });
      const body = method === "DELETE" ? {} : { body: { name: "Third" } };
      const reply = await send(user, method, `/v1/portfolios/${id}`, {
        ...body,
        headers: { "If-Match": given },
      });
      expect(reply.status).toBe(method === "DELETE" ? 204 : 200);
    }
  });

  it.each([
    ["another version", '"1"'],
    ["a weak tag", 'W/"2"'],
    ["no tag of ours", '"abc"'],
    ["version 0", '"0"'],
  ])("answers 412 for %s, and nothing is changed", async (_, given) => {
    const user = someone();
    const { id } = await create(user, { name: "Main" });
    const current = await put(user, id, { name: "Second" });
    for (const method of ["PUT", "PATCH", "DELETE"]) {
      const body = method === "DELETE" ? {} : { body: { name: "Lost" } };
      const reply = await send(user, method, `/v1/portfolios/${id}`, {
        ...body,
        headers: { "If-Match": given },
      });
      await expectProblem(reply, "PRECONDITION_FAILED", 412);
    }
    expect(await list(user)).toEqual([current]);
  });

  it.each(["2", '"2', '"1", "2"', "'2'", '""2""'])("answers 400 for %s, which is no ETag", async (given) => {
    const user = someone();
    const { id } = await create(user, { name: "Main" });
    const headers = { "If-Match": given };
    const reply = await send(user, "PUT", `/v1/portfolios/${id}`, { body: { name: "x" }, headers });
    const { detail } = await expectProblem(reply, "MALFORMED_REQUEST", 400);
    expect(detail).toContain("If-Match");
  });

  it("lets one of two changes that start from the same version win", async () => {
    const user = someone();
    const { id } = await create(user, { name: "Main" });
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        send(user, "PUT", `/v1/portfolios/${id}`, {
          body: { name: `${index}` },
          headers: { "If-Match": '"1"' },
        }),
      ),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(412)]);
  });
});

describe("someone else's portfolio", () => {
  /** All of a reply that may not tell the two apart. */
  async function bytesOf(reply: Response): Promise<string> {
    const headers = [...reply.headers].filter(
      ([name]) => !["date", "x-request-id", "ratelimit"].includes(name),
    );
    return JSON.stringify([reply.status, reply.statusText, headers, await reply.text()]);
  }

  it.each([
    ["GET", {}],
    ["HEAD", {}],
    ["PUT", { body: { name: "Stolen", is_default: true } }],
    ["PATCH", { body: { description: null } }],
    ["PUT", { body: { target_allocation: { BTC: 1 } } }],
    ["DELETE", {}],
    ["DELETE", { headers: { "If-Match": '"1"' } }],
    ["DELETE", { headers: { "If-Match": '"7"' } }],
  ])("is answered to %s %j like one that does not exist, byte for byte", async (method, options) => {
    const owner = someone();
    const portfolio = await create(owner, { name: "Mine" });
    const other = someone();
    const theirs = await send(other, method, `/v1/portfolios/${portfolio.id}`, options);
    const unknown = await send(other, method, `/v1/portfolios/${randomUUID()}`, options);
    expect(theirs.status).toBeGreaterThanOrEqual(404);
    expect(await bytesOf(theirs)).toBe(await bytesOf(unknown));
    expect(await list(owner)).toEqual([portfolio]);
    expect(await list(other)).toEqual([]);
  });

  it("is answered with a problem", async () => {
    const { id } = await create(someone(), { name: "Mine" });
    await expectProblem(await send(someone(), "GET", `/v1/portfolios/${id}`), "PORTFOLIO_NOT_FOUND", 404);
  });

  it("is not in the list", async () => {
    await create(someone(), { name: "Mine" });
    expect(await list(someone())).toEqual([]);
  });
});
