import { createHmac, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { respelled } from "../auth/bad-tokens.ts";
import { type System, startSystem } from "../support/system.ts";
import { expectProblem, type Send, senderTo, tokenOf } from "./http.ts";

let system: System;
let send: Send;
let good: string;

beforeAll(async () => {
  system = await startSystem();
  send = senderTo(system);
  good = await tokenOf(system, "alice");
});
afterAll(() => system.stop());

function ask(authorization: string | undefined, path = "/v1/me", method = "GET"): Promise<Response> {
  return send(undefined, method, path, { headers: authorization === undefined ? {} : { authorization } });
}

/** All of a reply but its date and request id. */
async function bytesOf(reply: Response): Promise<string> {
  const headers = [...reply.headers].filter(
    ([name]) => !["date", "x-request-id", "ratelimit"].includes(name),
  );
  return JSON.stringify([reply.status, reply.statusText, headers, await reply.text()]);
}

/** Ways in which a token is none, each from a good one. */
const bad: Readonly<Record<string, () => string | undefined | Promise<string>>> = {
  "no header": () => undefined,
  "an empty header": () => "",
  "only the scheme": () => "Bearer",
  "the scheme and a blank": () => "Bearer ",
  "another scheme": () => `Basic ${Buffer.from("alice:secret").toString("base64")}`,
  "no scheme": () => good,
  "a tab after the scheme": () => `Bearer\t${good}`,
  "two blanks after the scheme": () => `Bearer  ${good}`,
  "a list of tokens": () => `Bearer ${good}, Bearer ${good}`,
  "no JWT": () => "Bearer opaque-token",
  "two parts": () => `Bearer ${good.split(".").slice(0, 2).join(".")}`,
  "an empty signature": () => `Bearer ${good.split(".").slice(0, 2).join(".")}.`,
  "four parts": () => `Bearer ${good}.e30`,
  "five parts, as a JWE has": () => `Bearer ${good}.e30.e30`,
  padding: () => `Bearer ${good}=`,
  "a signature that is cut": () => `Bearer ${good.slice(0, -3)}`,
  "a signature spelled otherwise": () => `Bearer ${respelled(good)}`,
  "the signature of another token": async () => {
    const [header, payload] = good.split(".");
    return `Bearer ${header}.${payload}.${(await tokenOf(system, "bob")).split(".")[2]}`;
  },
  "no algorithm": () => `Bearer ${encode({ alg: "none", typ: "at+jwt" })}.${good.split(".")[1]}.`,
  "a signature with a password": () => {
    const text = `${encode({ alg: "HS256", typ: "at+jwt", kid: "test-key" })}.${good.split(".")[1]}`;
    return `Bearer ${text}.${createHmac("sha256", "secret").update(text).digest("base64url")}`;
  },
  "an ID token": async () => `Bearer ${await system.issuer.token("alice", { header: { typ: "JWT" } })}`,
  "an expired token": () => withClaims({ iat: now() - 7200, exp: now() - 3600 }),
  "a token that is not valid yet": () => withClaims({ nbf: now() + 3600 }),
  "a token of another issuer": () => withClaims({ iss: "https://other.example" }),
  "a token for somebody else": () => withClaims({ aud: "other-service" }),
  "a token without subject": () => withClaims({ sub: undefined }),
  "more than 8 KiB": () => withClaims({ padding: "a".repeat(8192) }),
};

async function withClaims(claims: Record<string, unknown>): Promise<string> {
  return `Bearer ${await system.issuer.token("alice", { claims })}`;
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

describe("a request without a good token", () => {
  it("is answered 401 with WWW-Authenticate", async () => {
    const reply = await ask(undefined);
    expect(reply.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
    expect(reply.headers.get("cache-control")).toBe("no-store");
    await expectProblem(reply, "UNAUTHENTICATED", 401);
  });

  it.each(Object.keys(bad))("is answered like every other: %s", async (name) => {
    const authorization = await (bad[name] as () => string | undefined | Promise<string>)();
    expect(await bytesOf(await ask(authorization))).toBe(await bytesOf(await ask(undefined)));
  });

  it.each([
    ["GET", "/v1/portfolios"],
    ["POST", "/v1/portfolios"],
    ["GET", `/v1/portfolios/${randomUUID()}`],
    ["PUT", `/v1/portfolios/${randomUUID()}`],
    ["PATCH", "/v1/portfolios/abc"],
    ["DELETE", `/v1/portfolios/${randomUUID()}?a=b`],
    ["GET", "/v1/me"],
    ["GET", "/me"],
    ["GET", "/protected"],
  ])("is refused before anything else about it is told: %s %s", async (method, path) => {
    for (const authorization of [undefined, "Bearer a.b.c"]) {
      for (const prefix of ["", "/api"]) {
        await expectProblem(await ask(authorization, prefix + path, method), "UNAUTHENTICATED", 401);
      }
    }
  });

  it("creates no user", async () => {
    expect(await system.database.query("select subject from users.identities")).toEqual([]);
  });
});

describe("a good token", () => {
  it.each(["Bearer", "bearer", "BEARER"])("is taken with the scheme written %s", async (scheme) => {
    const reply = await ask(`${scheme} ${good}`);
    expect([reply.status, ((await reply.json()) as { user_id: string }).user_id]).toEqual([200, "alice"]);
  });

  it("does not make another spelling of it good, although it is remembered", async () => {
    expect((await ask(`Bearer ${good}`)).status).toBe(200);
    expect((await ask(`Bearer ${respelled(good)}`)).status).toBe(401);
    expect((await ask(`Bearer ${good}=`)).status).toBe(401);
  });
});

describe("the logs of all processes", () => {
  it("say why a token was refused, and never show one", async () => {
    const auth = system.replicas.find(({ service }) => service === "auth");
    expect(auth?.output()).toContain("Access token refused.");
    for (const { output } of system.replicas) {
      for (const part of good.split(".")) expect(output()).not.toContain(part);
      expect(output()).not.toMatch(/eyJ[\w-]{10}|@mail\.example/);
    }
  });
});
