import { hash, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { contracts } from "../../services/gateway/contracts.ts";
import { openApiDocument } from "../../services/gateway/openapi.ts";
import { routesOfContracts } from "../../services/gateway/routes.ts";
import type { OpenApiDocument } from "../support/openapi.ts";
import { type System, startSystem } from "../support/system.ts";
import { exchange, expectProblem, type Send, senderTo, tokenOf } from "./http.ts";

let system: System;
let send: Send;
let administrator: string;

beforeAll(async () => {
  system = await startSystem({ replicas: { portfolios: 2, accounts: 2, market: 2 } });
  send = senderTo(system);
  administrator = await system.issuer.token("administrator", {
    claims: { realm_access: { roles: ["administrator"] }, azp: "front-end" },
  });
});
afterAll(() => system.stop());

/** A user of their own, so that the tests do not see each other's portfolios. */
const someone = () => `user-${randomUUID()}`;

async function create(user: string, path: string, body: object, headers = {}): Promise<string> {
  const reply = await send(user, "POST", path, { body, headers });
  expect([reply.status, reply.headers.get("etag")]).toEqual([201, expect.stringMatching(/^"1[".]/)]);
  return `${path}/${((await reply.json()) as { id: string }).id}`;
}

const createPortfolio = (user: string, name = "Main") => create(user, "/v1/portfolios", { name });

/** A read of somebody who has replies with these ETags. */
const read = (user: string, path: string, known: string, method = "GET") =>
  send(user, method, path, { headers: { "If-None-Match": known } });

async function expectNotModified(reply: Response, tag: string): Promise<void> {
  expect([reply.status, reply.statusText, await reply.text()]).toEqual([304, "Not Modified", ""]);
  expect(reply.headers.get("etag")).toBe(tag);
  expect(reply.headers.get("cache-control")).toBe("private, no-store");
  expect(reply.headers.get("vary")).toBe("Authorization");
  for (const name of ["content-type", "content-length", "transfer-encoding", "link"]) {
    expect([name, reply.headers.get(name)]).toEqual([name, null]);
  }
}

async function tagOf(user: string, path: string): Promise<string> {
  const reply = await send(user, "GET", path);
  const tag = reply.headers.get("etag") as string;
  expect([reply.status, tag]).toEqual([200, expect.stringMatching(/^"(\d+\.)?[\w-]{27}"$/)]);
  return tag;
}

describe("If-None-Match of one resource", () => {
  it.each([
    ["its ETag", '"1"'],
    ["its ETag as a weak one", 'W/"1"'],
    ["a list with it", '"7", W/"abc,d" ,"1"'],
    ["a list with empty elements", ', "1",,'],
    ["*", "*"],
  ])("is answered with 304 when it is %s, also to HEAD", async (_, known) => {
    const user = someone();
    const path = await createPortfolio(user);
    for (const method of ["GET", "HEAD"])
      await expectNotModified(await read(user, path, known, method), '"1"');
    await expectNotModified(await read(user, `/api${path}`, known), '"1"');
  });

  it.each(['"2"', 'W/"2"', '"11", "01", ""', '"\u00e9"', '"*"'])(
    "is answered with the resource when it is %s",
    async (known) => {
      const user = someone();
      const reply = await read(user, await createPortfolio(user), known);
      expect([reply.status, reply.headers.get("etag")]).toEqual([200, '"1"']);
      expect(await reply.json()).toMatchObject({ name: "Main", version: 1 });
    },
  );

  it("is answered with the resource once it has changed", async () => {
    const user = someone();
    const path = await createPortfolio(user);
    await expectNotModified(await read(user, path, '"1"'), '"1"');
    await send(user, "PUT", path, { body: { name: "Other" } });
    const reply = await read(user, path, '"1"');
    expect([reply.status, reply.headers.get("etag")]).toEqual([200, '"2"']);
    expect(await reply.json()).toMatchObject({ name: "Other", version: 2 });
    const head = await read(user, path, '"1"', "HEAD");
    expect([head.status, head.headers.get("etag"), await head.text()]).toEqual([200, '"2"', ""]);
    await expectNotModified(await read(user, path, '"1", "2"'), '"2"');
  });

  it("changes nothing for those who may not read it, or when it is gone", async () => {
    const user = someone();
    const path = await createPortfolio(user);
    for (const known of ['"1"', "*"]) {
      await expectProblem(await read(someone(), path, known), "PORTFOLIO_NOT_FOUND", 404);
      const anonymous = await send(undefined, "GET", path, { headers: { "If-None-Match": known } });
      await expectProblem(anonymous, "UNAUTHENTICATED", 401);
    }
    await send(user, "DELETE", path);
    await expectProblem(await read(user, path, "*"), "PORTFOLIO_NOT_FOUND", 404);
  });

  it.each(["", ",", "1", '"1', "'1'", '"1" "2"', '"1", *', "*, *", 'w/"1"', 'W/ "1"', '"1"x'])(
    "is answered with 400 when it is %j, which cannot be read",
    async (known) => {
      const user = someone();
      const reply = await read(user, await createPortfolio(user), known);
      expect((await expectProblem(reply, "MALFORMED_REQUEST", 400)).detail).toMatch(/^If-None-Match must /);
    },
  );

  it("may come in several lines, and leaves the connection in order", async () => {
    const user = someone();
    const path = await createPortfolio(user);
    const head = `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${await tokenOf(system, user)}\r\n`;
    const twice = `${head}If-None-Match: "7"\r\nIf-None-Match: "1"\r\n\r\n`;
    const { replies } = await exchange(system.url, `${twice}${head}Connection: close\r\n\r\n`);
    expect(replies.map(({ status }) => status)).toEqual([304, 200]);
    expect(Object.keys(replies[0]?.headers ?? {})).not.toContain("content-length");
  });
});

describe("If-None-Match of other reads", () => {
  it("is answered with 304 as long as the body is the same, also to HEAD", async () => {
    const user = someone();
    const portfolio = await createPortfolio(user);
    for (const path of ["/v1/portfolios", "/v1/accounts", "/v1/chains", "/v1/me", `${portfolio}/accounts`]) {
      const tag = await tagOf(user, path);
      expect(await tagOf(user, path)).toBe(tag);
      for (const known of [tag, `W/${tag}`, `"1", ${tag}`, "*"]) {
        for (const method of ["GET", "HEAD"]) {
          await expectNotModified(await read(user, path, known, method), tag);
        }
      }
      const other = await read(user, path, '"1"');
      expect([other.status, other.headers.get("etag")]).toEqual([200, tag]);
    }
  });

  it("is the hash of the body", async () => {
    const reply = await send(someone(), "GET", "/v1/portfolios");
    const digest = hash("sha256", await reply.text(), "base64url");
    expect(reply.headers.get("etag")).toBe(`"${digest.slice(0, 27)}"`);
  });

  it("is answered with the list once it has changed", async () => {
    const user = someone();
    const path = await createPortfolio(user);
    const tag = await tagOf(user, "/v1/portfolios");
    await send(user, "PATCH", path, { body: { name: "Other" } });
    const reply = await read(user, "/v1/portfolios", tag);
    expect(reply.status).toBe(200);
    expect(await reply.json()).toMatchObject([{ name: "Other", version: 2 }]);
    await expectNotModified(
      await read(user, "/v1/portfolios", reply.headers.get("etag") as string),
      await tagOf(user, "/v1/portfolios"),
    );
  });

  it("is answered with the page once another follows it", async () => {
    const user = someone();
    await createPortfolio(user, "First");
    const path = "/v1/portfolios?limit=1";
    const last = await send(user, "GET", path);
    const second = await createPortfolio(user, "Second");
    const reply = await read(user, path, last.headers.get("etag") as string);
    expect([reply.status, await reply.text()]).toEqual([200, await last.text()]);
    expect([last.headers.get("link"), reply.headers.get("link")]).toEqual([
      null,
      expect.stringContaining("next"),
    ]);
    const tag = reply.headers.get("etag") as string;
    await expectNotModified(await read(user, path, tag), tag);
    await send(user, "DELETE", second);
    await expectNotModified(
      await read(user, path, last.headers.get("etag") as string),
      last.headers.get("etag") as string,
    );
  });

  it("changes nothing where the reply is a stream, or a write", async () => {
    const user = someone();
    const path = await createPortfolio(user);
    const all = await read(user, "/v1/me/export", "*");
    expect([all.status, all.headers.get("etag")]).toEqual([200, null]);
    await all.text();
    const headers = { "If-None-Match": '"' };
    expect((await send(user, "PATCH", path, { body: { name: "Other" }, headers })).status).toBe(200);
  });
});

describe("two writers with one version", () => {
  const wallet = `0x${"5a".repeat(20)}`;
  it.each([
    ["portfolios", "/v1/portfolios", { name: "Main" }, { name: "Other" }],
    ["accounts", "/v1/accounts", { name: "By hand", account_type: "manual" }, { name: "Other" }],
    [
      "the registry of chains",
      "/v1/evm-chains",
      { chain_id: `chain_${randomUUID().slice(0, 8)}`, name: "Chain", rpc_url: "https://rpc.example.com" },
      { name: "Other" },
    ],
    [
      "the registry of EVM tokens",
      "/v1/evm-tokens",
      { chain: "base", symbol: "NEW", contract_address: wallet },
      { is_active: false },
    ],
    [
      "the registry of Solana tokens",
      "/v1/solana-tokens",
      { symbol: "NEW", mint_address: "vines1vzrYbzLMRdu58ou5XTby4qAqVRLmqo36NKPTg" },
      { is_active: false },
    ],
  ])("of %s get one 200 and one 412", async (_, list, body, changes) => {
    const user = someone();
    const authorization = { Authorization: `Bearer ${administrator}` };
    const path = await create(user, list, body, authorization);
    for (let version = 1; version <= 10; version++) {
      const tag = (await send(user, "GET", path, { headers: authorization })).headers.get("etag") as string;
      const headers = { ...authorization, "If-Match": tag };
      const write = () => send(user, "PUT", path, { body: changes, headers });
      const replies = await Promise.all([write(), write()]);
      expect(replies.map(({ status }) => status).sort()).toEqual([200, 412]);
      const [won, lost] = replies.sort((one, other) => one.status - other.status) as [Response, Response];
      expect(await won.json()).toMatchObject({ version: version + 1 });
      await expectProblem(lost, "PRECONDITION_FAILED", 412);
      const known = { ...authorization, "If-None-Match": tag };
      const now = await send(user, "GET", path, { headers: known });
      expect([now.status, now.headers.get("etag")]).toEqual([
        200,
        expect.stringMatching(new RegExp(`^"${version + 1}["\\.]`)),
      ]);
    }
  });

  it("of a user's preferences get one 200 and one 412", async () => {
    const user = someone();
    const reply = await send(user, "GET", "/v1/me");
    const tag = reply.headers.get("etag") as string;
    const { version } = (await reply.json()) as { version: number };
    const write = (base_currency: string) =>
      send(user, "PATCH", "/v1/me", { body: { base_currency }, headers: { "If-Match": tag } });
    const replies = await Promise.all([write("EUR"), write("CHF")]);
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 412]);
    const [won, lost] = replies.sort((one, other) => one.status - other.status) as [Response, Response];
    await expectProblem(lost, "PRECONDITION_FAILED", 412);
    const after = await won.json();
    expect(after).toMatchObject({ version: version + 1 });
    const now = await read(user, "/v1/me", tag);
    expect(await now.json()).toEqual(after);
    expect(now.headers.get("etag")).toBe(won.headers.get("etag"));
  });
});

describe("If-Match where there is no version", () => {
  it.each([
    ["PUT", "/accounts", { account_ids: [] }],
    ["POST", "/construct", undefined],
  ])("keeps %s %s from being done, unless it asks only that it exists", async (method, below, body) => {
    const user = someone();
    const path = (await createPortfolio(user)) + below;
    const write = (condition: string) =>
      send(user, method, path, { ...(body && { body }), headers: { "If-Match": condition } });
    expect((await expectProblem(await write('"1"'), "PRECONDITION_FAILED", 412)).detail).toMatch(
      /no version/,
    );
    expect((await write("*")).status).toBe(200);
  });
});

describe("the ETag of what administrators see more of", () => {
  it("is another for them, at the same version", async () => {
    const authorization = { Authorization: `Bearer ${administrator}` };
    const body = {
      chain_id: `chain_${randomUUID().slice(0, 8)}`,
      name: "Chain",
      rpc_url: "https://rpc.example.com",
    };
    const path = await create(someone(), "/v1/evm-chains", body, authorization);
    const theirs = await send(someone(), "GET", path, { headers: authorization });
    const tag = theirs.headers.get("etag") as string;
    expect(tag).toMatch(/^"1\.[\w-]{27}"$/);
    expect(await theirs.json()).toMatchObject({ rpc_url: "https://rpc.example.com" });
    const ours = await read(someone(), path, tag);
    expect(ours.status).toBe(200);
    expect(await ours.json()).not.toHaveProperty("rpc_url");
  });
});

describe("the OpenAPI document", () => {
  const { paths } = JSON.parse(
    JSON.stringify(openApiDocument(routesOfContracts(contracts), undefined)),
  ) as OpenApiDocument;
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );

  it.each(operations)("says so exactly where it holds: $method $path", ({ path, method, operation }) => {
    const holds = method === "get" && path !== "/v1/me/export";
    const { parameters } = operation as unknown as { parameters: { in: string; name: string }[] };
    expect(parameters.some(({ name }) => name === "If-None-Match")).toBe(holds);
    expect("304" in operation.responses).toBe(holds);
    if (!holds) return;
    expect(operation.responses["304"]).not.toHaveProperty("content");
    for (const status of ["200", "304"]) {
      expect(operation.responses[status]).toHaveProperty("headers.ETag");
    }
  });
});
