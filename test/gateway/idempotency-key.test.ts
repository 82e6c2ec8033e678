import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import auth from "../../services/auth/auth.service.ts";
import { pathParameters } from "../../services/common/contract.ts";
import { IdempotencyKey } from "../../services/common/idempotency/key.ts";
import { problemOf } from "../../services/common/problem.ts";
import { contracts } from "../../services/gateway/contracts.ts";
import { idempotencyOf } from "../../services/gateway/idempotency-key.ts";
import { openApiDocument } from "../../services/gateway/openapi.ts";
import { type Route, routesOfContracts } from "../../services/gateway/routes.ts";
import portfolios from "../../services/portfolios/portfolios.service.ts";
import users from "../../services/users/users.service.ts";
import type { OpenApiDocument } from "../support/openapi.ts";
import { expectProblem, type Send, senderTo } from "./http.ts";
import { type InProcess, startGateway } from "./in-process.ts";

const routes = routesOfContracts(contracts);
const routeOf = (action: string) => routes.find((route) => route.action === action) as Route;
const create = routeOf("portfolios.create");
const keyOf = (header: string, params: object = { name: "Main" }, route = create) =>
  idempotencyOf(header, route, params) as IdempotencyKey;

const GOOD = [
  ["one character", "a"],
  ["a UUID", "8e03978e-40d5-43dd-bc93-6894a57f9324"],
  ["a quoted UUID", '"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
  ["every visible character but quotes and backslashes", "!#$%&'()*+,-./0:;<=>?@A[]^_`a{|}~"],
  ["quotes and backslashes within quotes", '"a\\"b\\\\c"'],
  ["255 characters", "k".repeat(255)],
  ["255 characters in quotes", `"${"k".repeat(255)}"`],
  ["255 characters, each behind a backslash", `"${'\\"'.repeat(255)}"`],
] as const;

const BAD = [
  ["nothing", ""],
  ["nothing in quotes", '""'],
  ["256 characters", "k".repeat(256)],
  ["256 characters in quotes", `"${"k".repeat(256)}"`],
  ["two keys, as two headers become", "one, two"],
  ["a blank in quotes", '"one two"'],
  ["a quote that does not end", '"one'],
  ["a quote in the middle", 'one"two'],
  ["more behind the quotes", '"one";two=3'],
  ["a backslash without quotes", "one\\two"],
  ["another character behind a backslash", '"one\\two"'],
  ["a character that is not ASCII", "schl\u00fcssel"],
  ["a character that is not ASCII in quotes", '"schl\u00fcssel"'],
] as const;

describe("the Idempotency-Key header", () => {
  it.each(GOOD)("may be %s", (_, header) => {
    expect(IdempotencyKey.parse(keyOf(header))).toEqual({
      key: expect.any(String),
      body: expect.any(String),
    });
  });

  it.each(BAD)("is refused when it is %s", (_, header) => {
    const refused = () => keyOf(header);
    expect(refused).toThrow();
    try {
      refused();
    } catch (error) {
      expect(problemOf(error)).toMatchObject({
        code: "MALFORMED_REQUEST",
        data: { detail: expect.stringMatching(/^Idempotency-Key must be one key of 1 to 255 visible/) },
      });
    }
  });

  it("is nothing when it is not there", () => {
    expect(idempotencyOf(undefined, create, {})).toBeUndefined();
  });

  it("is the same key with quotes and without", () => {
    expect(keyOf('"one"')).toEqual(keyOf("one"));
    expect(keyOf('"one"').key).not.toBe(keyOf("two").key);
  });
});

describe("what a repeat must have in common", () => {
  const same = { name: "Main", guardrails: { drift_band: 5, fee_bps: 1 }, list: [1, { a: 1, b: 2 }] };

  it("is every parameter, in whichever order of members", () => {
    const other = { list: [1, { b: 2, a: 1 }], guardrails: { fee_bps: 1, drift_band: 5 }, name: "Main" };
    expect(keyOf("one", other)).toEqual(keyOf("one", same));
  });

  it.each<[string, object]>([
    ["another text", { ...same, name: "main" }],
    ["a member more", { ...same, description: null }],
    ["a member less", { name: "Main", guardrails: same.guardrails }],
    ["another number deep inside", { ...same, guardrails: { ...same.guardrails, fee_bps: 2 } }],
    ["another order of a list", { ...same, list: [...same.list].reverse() }],
    ["a text for a number", { ...same, list: ["1", { a: 1, b: 2 }] }],
  ])("tells %s apart", (_, other) => {
    expect(keyOf("one", other).body).not.toBe(keyOf("one", same).body);
    expect(keyOf("one", other).key).toBe(keyOf("one", same).key);
  });

  it("is nothing that can be tried out without the key", () => {
    expect(keyOf("two", same).body).not.toBe(keyOf("one", same).body);
  });
});

describe("what seals a secret reply", () => {
  it("is there where the reply is one, and cannot be had from what is stored", () => {
    const sealed = routes.filter(({ entry }) => entry.secretResult).map(({ action }) => action);
    expect(sealed).toEqual(["auth.createToken"]);
    const { key, body, seal } = keyOf("one", {}, routeOf("auth.createToken"));
    expect(seal).toMatch(/^[\w-]{43}$/);
    expect([key, body]).not.toContain(seal);
  });
});

describe("a request with an Idempotency-Key", () => {
  let services: InProcess;
  let send: Send;
  beforeAll(async () => {
    services = await startGateway([auth, users, portfolios]);
    send = senderTo(services);
  });
  afterAll(() => services.stop());

  const post = (key: string, body: object = { name: "Main" }, path = "/v1/portfolios") =>
    send("somebody", "POST", path, { body, headers: { "Idempotency-Key": key } });

  it("is answered the same again, to the byte, with its headers, at each of its addresses", async () => {
    const first = await post("one");
    expect([first.status, first.headers.get("etag")]).toEqual([201, '"1"']);
    const [text, location] = [await first.text(), first.headers.get("location")];
    for (const key of ["one", '"one"']) {
      const repeat = await post(key);
      expect([repeat.status, await repeat.text()]).toEqual([201, text]);
      for (const name of ["etag", "content-type", "cache-control", "vary", "content-length"]) {
        expect([name, repeat.headers.get(name)]).toEqual([name, first.headers.get(name)]);
      }
      expect(repeat.headers.get("location")).toBe(location);
    }
    const aliased = await post("one", undefined, "/api/v1/portfolios");
    expect([await aliased.text(), aliased.headers.get("location")]).toEqual([text, `/api${location}`]);
    expect(await (await send("somebody", "GET", "/v1/portfolios")).json()).toHaveLength(1);
  });

  it("is refused with 422 when the key was another request's", async () => {
    await post("two");
    const reply = await post("two", { name: "Other" });
    await expectProblem(reply, "IDEMPOTENCY_KEY_REUSED", 422);
  });

  it("is answered as it is when it is no good, and the key stays free", async () => {
    await expectProblem(await post("three", { name: "" }), "VALIDATION_FAILED", 400, ["/name"]);
    const unknown = `/v1/portfolios/${crypto.randomUUID()}/construct`;
    await expectProblem(await post("three", {}, unknown), "PORTFOLIO_NOT_FOUND", 404);
    expect((await post("three")).status).toBe(201);
  });

  it.each(["", "one, two", "k".repeat(256)])("is refused with 400 when it is %j", async (key) => {
    const problem = await expectProblem(await post(key), "MALFORMED_REQUEST", 400);
    expect(problem.detail).toMatch(/^Idempotency-Key must be one key/);
  });

  it("is no matter for methods that may be repeated anyway", async () => {
    const { id } = (await (await post("four")).json()) as { id: string };
    const headers = { "Idempotency-Key": "one, two" };
    const path = `/v1/portfolios/${id}`;
    for (const [method, body, status] of [
      ["GET", undefined, 200],
      ["PUT", { name: "A" }, 200],
      ["PATCH", { name: "B" }, 200],
      ["DELETE", undefined, 204],
    ] as const) {
      const reply = await send("somebody", method, path, { headers, ...(body && { body }) });
      expect([method, reply.status]).toEqual([method, status]);
    }
  });

  it("tells nobody else anything: neither without a token, nor another user", async () => {
    await post("five");
    const headers = { "Idempotency-Key": "five" };
    const anonymous = await send(undefined, "POST", "/v1/portfolios", { body: { name: "Main" }, headers });
    await expectProblem(anonymous, "UNAUTHENTICATED", 401);
    const other = await send("other", "POST", "/v1/portfolios", { body: { name: "Theirs" }, headers });
    expect([other.status, await other.json()]).toEqual([201, expect.objectContaining({ name: "Theirs" })]);
  });

  it("cannot borrow another token's rights", async () => {
    const expires_at = new Date(Date.now() + 3_600_000).toISOString();
    const { id } = (await (await post("six")).json()) as { id: string };
    const members = { name: "Script", scopes: ["portfolios:write"], expires_at, portfolio_id: id };
    const made = await send("somebody", "POST", "/v1/tokens", { body: members });
    const { token } = (await made.json()) as { token: string };
    const headers = { Authorization: `Bearer ${token}`, "Idempotency-Key": "six" };
    const confined = await send(undefined, "POST", "/v1/portfolios", { body: { name: "Main" }, headers });
    await expectProblem(confined, "FORBIDDEN", 403);
    const other = (await (await post("seven", { name: "Second" })).json()) as { id: string };
    const path = `/v1/portfolios/${other.id}/snapshots`;
    await expectProblem(await send(undefined, "POST", path, { headers }), "PORTFOLIO_NOT_FOUND", 404);
  });

  it("gets a token again that is stored nowhere", async () => {
    const expires_at = new Date(Date.now() + 3_600_000).toISOString();
    const members = { name: "Script", scopes: ["portfolios:read"], expires_at };
    const [first, repeat] = [
      await post("eight", members, "/v1/tokens"),
      await post("eight", members, "/v1/tokens"),
    ];
    const made = (await first.json()) as { token: string };
    expect([first.status, repeat.status, await repeat.json()]).toEqual([201, 201, made]);
    const headers = { Authorization: `Bearer ${made.token}` };
    expect((await send(undefined, "GET", "/v1/portfolios", { headers })).status).toBe(200);
    expect(await (await send("somebody", "GET", "/v1/tokens")).json()).toHaveLength(2);
  });
});

describe("the OpenAPI document", () => {
  const { paths } = JSON.parse(JSON.stringify(openApiDocument(routes, undefined))) as OpenApiDocument;
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );

  it.each(operations)("names the header for POST, and no other: $method $path", (each) => {
    const { path, method, operation } = each;
    const { parameters } = operation as unknown as { parameters: { in: string; name: string }[] };
    const isPost = method === "post";
    expect(parameters.filter(({ name }) => name === "Idempotency-Key")).toHaveLength(isPost ? 1 : 0);
    expect(pathParameters(path)).toEqual(
      parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name),
    );
    const examples = JSON.stringify([operation.responses["409"], operation.responses["422"]]);
    for (const problem of ["idempotency-key-in-use", "idempotency-key-reused"]) {
      expect([problem, examples.includes(problem)]).toEqual([problem, isPost]);
    }
  });
});
