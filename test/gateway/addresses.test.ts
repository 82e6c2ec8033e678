import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Me } from "../../services/users/contract.ts";
import { type System, startSystem } from "../support/system.ts";
import { checkedProblem, exchange, expectProblem, type Send, senderTo, tokenOf } from "./http.ts";

let system: System;
let send: Send;
let portfolio: string;

beforeAll(async () => {
  system = await startSystem();
  send = senderTo(system);
  const reply = await send("alice", "POST", "/v1/portfolios", { body: { name: "Main" } });
  portfolio = `/v1/portfolios/${((await reply.json()) as { id: string }).id}`;
});
afterAll(() => system.stop());

/** Asks for a path as it is: `fetch` would tidy it up. */
async function askRaw(target: string, method = "GET") {
  const token = await tokenOf(system, "alice");
  const head = `${method} ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`;
  const [reply] = (await exchange(system.url, head)).replies;
  if (!reply) throw new Error(`no reply for ${target}`);
  return reply;
}

describe("an address that is none", () => {
  it.each([
    "/nothing",
    "/v1",
    "/v1/",
    "/v2/portfolios",
    "/api",
    "/api/api/v1/portfolios",
    "/apiv1/portfolios",
    "//v1/portfolios",
    "/v1//portfolios",
    "/v1/portfolios//",
    "/V1/Portfolios",
    "/API/v1/portfolios",
    "/v1/%70ortfolios",
    "/v1/portfolios/../me",
    "/./v1/me",
    "/v1/portfolios;a=b",
    "/v1/portfolios/a/b",
    "/v1/zz/%zz",
    "/v1/users/resolve",
    "/users.resolve",
    "/auth.authenticate",
    "/~node/health",
    "/$node/list",
    "/list-aliases",
    "/metrics",
    "/docs/package.json",
    "/docs/../package.json",
    "/docs/constructor",
    "/<script>",
    "/constructor",
    "/__proto__",
    `/${"a".repeat(8191)}`,
  ])("is 404: %s", async (target) => {
    const reply = await askRaw(target);
    expect([reply.status, reply.reason]).toEqual([404, "Not Found"]);
    expect(reply.headers["content-type"]).toBe("application/problem+json");
    const { instance } = checkedProblem(reply.body, "ROUTE_NOT_FOUND", 404);
    expect(instance.length).toBeLessThanOrEqual(200);
  });

  it("is 404 for every method, with or without a token", async () => {
    for (const subject of ["alice", undefined]) {
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
        await expectProblem(await send(subject, method, "/v1/nothing"), "ROUTE_NOT_FOUND", 404);
      }
    }
  });

  it("is 414 from 8193 characters on, however long", async () => {
    for (const length of [8193, 20_000, 100_000]) {
      const reply = await askRaw(`/${"a".repeat(length - 1)}`);
      expect([reply.status, reply.reason]).toEqual([414, "URI Too Long"]);
      checkedProblem(reply.body, "URI_TOO_LONG", 414);
    }
  });
});

describe("a method that an address does not offer", () => {
  it.each([
    ["PATCH", "/v1/portfolios", "GET, POST, HEAD, OPTIONS"],
    ["DELETE", "/v1/portfolios/", "GET, POST, HEAD, OPTIONS"],
    ["POST", "/v1/portfolios/abc", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"],
    ["POST", "/api/v1/portfolios/%zz", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"],
    ["POST", "/api/protected", "GET, HEAD, OPTIONS"],
    ["PROPFIND", "/me", "GET, HEAD, OPTIONS"],
    ["TRACE", "/protected", "GET, HEAD, OPTIONS"],
    ["DELETE", "/health", "GET, HEAD, OPTIONS"],
    ["POST", "/", "GET, HEAD, OPTIONS"],
    ["PUT", "/docs/start.js", "GET, HEAD, OPTIONS"],
  ])("is 405 with what it offers: %s %s", async (method, path, allow) => {
    const reply = await askRaw(path, method);
    expect([reply.status, reply.reason, reply.headers.allow]).toEqual([405, "Method Not Allowed", allow]);
    expect(checkedProblem(reply.body, "METHOD_NOT_ALLOWED", 405).detail).toContain(allow);
  });
});

describe("OPTIONS", () => {
  it("tells what an address offers, without a token", async () => {
    const reply = await send(undefined, "OPTIONS", "/v1/portfolios");
    expect([reply.status, reply.headers.get("allow")]).toEqual([204, "GET, POST, HEAD, OPTIONS"]);
    expect(await reply.text()).toBe("");
  });

  it.each(["DELETE", "PUT", "PATCH", "GET"])(
    "runs nothing of the %s that a preflight asks about",
    async (method) => {
      const headers = { Origin: "https://evil.example", "Access-Control-Request-Method": method };
      const reply = await send("alice", "OPTIONS", portfolio, { headers });
      expect([reply.status, await reply.text()]).toEqual([204, ""]);
      expect([...reply.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
      expect((await send("alice", "GET", portfolio)).status).toBe(200);
    },
  );
});

describe("HEAD", () => {
  it.each(["/v1/portfolios", "/v1/me", "/health", "/openapi.json", "/docs", "/"])(
    "answers %s as GET does, without the body",
    async (path) => {
      const [head, get] = [await send("alice", "HEAD", path), await send("alice", "GET", path)];
      expect([head.status, await head.text()]).toEqual([200, ""]);
      const ignored = ["date", "x-request-id", "connection", "keep-alive", "ratelimit"];
      const headersOf = (reply: Response) => [...reply.headers].filter(([name]) => !ignored.includes(name));
      expect(headersOf(head)).toEqual(headersOf(get));
      await get.arrayBuffer();
    },
  );

  it("answers a problem without its body too", async () => {
    const reply = await send(undefined, "HEAD", "/v1/me");
    expect([reply.status, await reply.text()]).toEqual([401, ""]);
    expect((await send("alice", "HEAD", "/nothing")).status).toBe(404);
  });
});

describe("the ways to write an address", () => {
  it.each(["", "/api"])("all routes are below '%s'", async (prefix) => {
    for (const path of ["/v1/portfolios", portfolio, "/v1/me", "/me", "/protected", "/health", "/ready"]) {
      expect((await send("alice", "GET", prefix + path)).status).toBe(200);
    }
  });

  it.each(["/v1/me/", "/api/v1/me/", "http://any.example/v1/me", "HTTP://any.example:80/api/me?", "/v1/me?"])(
    "%s is /v1/me too",
    async (target) => {
      const reply = await askRaw(target);
      expect([reply.status, JSON.parse(reply.body).user_id]).toEqual([200, "alice"]);
    },
  );

  it("the whole URL may be only a host", async () => {
    expect((await askRaw("http://any.example")).body).toContain("Crypto Pocket Butler");
  });
});

describe("GET /me, /v1/me and /protected", () => {
  it("tell who is signed in", async () => {
    const claims = { preferred_username: "al", email: "al@mail.example", email_verified: true };
    const realm_access = { roles: ["administrator", "offline_access"] };
    const token = await system.issuer.token("al", { claims: { ...claims, realm_access } });
    const headers = { Authorization: `Bearer ${token}` };
    for (const path of ["/me", "/v1/me", "/api/me", "/api/v1/me"]) {
      const me = await (await send(undefined, "GET", path, { headers })).json();
      expect(Me.parse(me)).toMatchObject({
        user_id: "al",
        id: expect.any(String),
        ...claims,
        roles: realm_access.roles,
      });
    }
    const reply = await send(undefined, "GET", "/protected", { headers });
    expect(await reply.json()).toEqual({ message: "The access token is valid.", user_id: "al" });
  });

  it("leave out what the token does not say", async () => {
    const headers = { Authorization: `Bearer ${await system.issuer.token("client-7")}` };
    const me = await (await send(undefined, "GET", "/v1/me", { headers })).json();
    expect(Me.parse(me)).toMatchObject({ user_id: "client-7", roles: [] });
    for (const claim of ["email", "email_verified", "preferred_username"])
      expect(me).not.toHaveProperty(claim);
  });

  it("take no query", async () => {
    await expectProblem(await send("alice", "GET", "/v1/me?id=1"), "VALIDATION_FAILED", 400, ["/id"]);
  });
});

describe("X-Request-Id", () => {
  it.each(["abcdefgh", "Request_12-3", "a".repeat(64)])("is taken over: %s", async (given) => {
    for (const path of ["/v1/me", "/health", "/nothing"]) {
      const headers = { "X-Request-Id": given, "X-Correlation-Id": "other-correlation" };
      const reply = await send("alice", "GET", path, { headers });
      expect(reply.headers.get("x-request-id")).toBe(given);
      await reply.arrayBuffer();
    }
  });

  it.each(["short", "a".repeat(65), "with blanks in it", "abcdefgh, ijklmnop", "<script>alert</script>", ""])(
    "is replaced: '%s'",
    async (given) => {
      const headers = { "X-Request-Id": given, "X-Correlation-Id": "other-correlation" };
      const reply = await send("alice", "GET", "/v1/me", { headers });
      expect(reply.headers.get("x-request-id")).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
      await reply.arrayBuffer();
    },
  );

  it("is what the logs of every process carry", async () => {
    const headers = { "X-Request-Id": "find-me-in-the-logs", Authorization: "Bearer a.b.c" };
    expect((await send(undefined, "GET", "/v1/me", { headers })).status).toBe(401);
    const auth = system.replicas.find(({ service }) => service === "auth");
    for (let attempt = 0; attempt < 100 && !auth?.output().includes("find-me-in-the-logs"); attempt += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(auth?.output()).toContain('"requestId":"find-me-in-the-logs"');
  });
});
