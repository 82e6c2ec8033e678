import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { type System, startSystem } from "../support/system.ts";
import { expectProblem, type Send, senderTo } from "./http.ts";

const JSON_TYPE = { "Content-Type": "application/json" };
const LIMIT_BYTES = 64 * 1024;

let system: System;
let send: Send;
let id: string;
let before: unknown;

beforeAll(async () => {
  system = await startSystem();
  send = senderTo(system);
  const created = await send("alice", "POST", "/v1/portfolios", { body: { name: "Untouched" } });
  ({ id } = (await created.json()) as { id: string });
});
afterAll(() => system.stop());

// Whatever is refused here, nothing of it may have been written.
beforeEach(async () => {
  before = await rows();
});
afterEach(async () => {
  expect(await rows()).toEqual(before);
});

function rows() {
  return system.database.query("select * from portfolios.portfolios order by id");
}

/** Both ways to write, with a body that only has to be wrong. */
const writes = [
  ["POST", () => "/v1/portfolios"],
  ["PUT", () => `/v1/portfolios/${id}`],
  ["PATCH", () => `/api/v1/portfolios/${id}`],
] as const;

describe.each(writes)("%s of a portfolio", (method, path) => {
  it.each<[string, string, readonly string[]]>([
    ["a member of the wrong type", '{"name":5}', ["/name"]],
    ["null for what cannot be cleared", '{"name":null}', ["/name"]],
    [
      "several wrong members",
      '{"name":"x","description":5,"is_default":"yes"}',
      ["/description", "/is_default"],
    ],
    ["an empty name", '{"name":""}', ["/name"]],
    ["a name of blanks", '{"name":" \\t\\n "}', ["/name"]],
    ["a name of 121 characters", `{"name":"${"n".repeat(121)}"}`, ["/name"]],
    ["a name with NUL", '{"name":"a\\u0000b"}', ["/name"]],
    ["a name with half a surrogate pair", '{"name":"a\\ud800"}', ["/name"]],
    [
      "a description of 2001 characters",
      `{"name":"x","description":"${"d".repeat(2001)}"}`,
      ["/description"],
    ],
    ["an unknown member", '{"name":"x","colour":"red"}', ["/colour"]],
    ["an unknown member called undefined", '{"name":"x","undefined":1}', ["/undefined"]],
    ["an unknown member with / and ~ in its name", '{"name":"x","a/b~c":1}', ["/a~1b~0c"]],
    ["an unknown member deep inside", '{"name":"x","guardrails":{"drift":5}}', ["/guardrails/drift"]],
    ["a guardrail over 100", '{"name":"x","guardrails":{"drift_band":100.5}}', ["/guardrails/drift_band"]],
    [
      "a target that is a string",
      '{"name":"x","target_allocation":{"BTC":"100"}}',
      ["/target_allocation/BTC"],
    ],
    ["a target below 0", '{"name":"x","target_allocation":{"BTC":-1}}', ["/target_allocation/BTC"]],
    ["members that are the server's", '{"name":"x","user_id":"u","version":9}', ["/user_id", "/version"]],
    [
      "times that are the server's",
      '{"name":"x","created_at":1,"updated_at":2}',
      ["/created_at", "/updated_at"],
    ],
    ["constructor", '{"name":"x","constructor":{"prototype":{}}}', ["/constructor"]],
    ["__proto__", '{"name":"x","__proto__":{"is_default":true}}', ["/__proto__"]],
    ["__proto__ deep inside", '{"name":"x","guardrails":{"__proto__":{}}}', ["/guardrails/__proto__"]],
    ["__proto__ as a symbol", '{"target_allocation":{"__proto__":100}}', ["/target_allocation/__proto__"]],
    ["an array", "[]", [""]],
    ["a string", '"name"', [""]],
    ["null", "null", [""]],
    ["a number", "1", [""]],
  ])("refuses %s, naming where it is", async (_, body, pointers) => {
    const reply = await send("alice", method, path(), { body, headers: JSON_TYPE });
    await expectProblem(reply, "VALIDATION_FAILED", 400, pointers);
  });

  it.each(["id", "if_match"])("refuses %s in the body", async (member) => {
    const body = { name: "x", [member]: 1 };
    await expectProblem(await send("alice", method, path(), { body }), "VALIDATION_FAILED", 400, [
      `/${member}`,
    ]);
  });

  it.each([
    ["that breaks off", '{"name":"x"'],
    ["with something behind it", '{"name":"x"} {}'],
    ["with a trailing comma", '{"name":"x",}'],
    ["of blanks", "  "],
  ])("refuses JSON %s", async (_, body) => {
    const reply = await send("alice", method, path(), { body, headers: JSON_TYPE });
    await expectProblem(reply, "MALFORMED_JSON", 400);
  });

  it("refuses bytes that are not UTF-8", async () => {
    const body = Buffer.from('{"name":"\xe9"}', "latin1");
    const reply = await send("alice", method, path(), { body, headers: JSON_TYPE });
    const { detail } = await expectProblem(reply, "MALFORMED_JSON", 400);
    expect(detail).toBe("The body must be UTF-8.");
  });

  it.each([
    ["an object", '{"a":', "1", "}"],
    ["an array", "[", "", "]"],
  ])("refuses %s that is nested thousands of levels deep", async (_, open, core, close) => {
    const deep = open.repeat(10_000) + core + close.repeat(10_000);
    const reply = await send("alice", method, path(), { body: `{"guardrails":${deep}}`, headers: JSON_TYPE });
    const { errors } = await expectProblem(reply, "VALIDATION_FAILED", 400, [""]);
    expect(errors?.[0]?.detail).toContain("32 levels");
  });

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/jsonx",
    "application/json; charset=latin1",
    "application/json, application/json",
    "",
  ])('refuses the content type "%s"', async (type) => {
    const body = Buffer.from('{"name":"x"}');
    const reply = await send("alice", method, path(), { body, headers: { "Content-Type": type } });
    await expectProblem(reply, "UNSUPPORTED_MEDIA_TYPE", 415);
  });

  it("refuses a compressed body unread, however much it unpacks to", async () => {
    const body = gzipSync(Buffer.alloc(50_000_000, " "));
    expect(body.length).toBeLessThan(LIMIT_BYTES);
    const headers = { ...JSON_TYPE, "Content-Encoding": "gzip" };
    const { detail } = await expectProblem(
      await send("alice", method, path(), { body, headers }),
      "UNSUPPORTED_MEDIA_TYPE",
      415,
    );
    expect(detail).toBe("The body must not be compressed.");
  });

  it("refuses a body of one byte more than 64 KiB", async () => {
    const body = '{"name":"x"}'.padEnd(LIMIT_BYTES + 1, " ");
    const { detail } = await expectProblem(
      await send("alice", method, path(), { body, headers: JSON_TYPE }),
      "PAYLOAD_TOO_LARGE",
      413,
    );
    expect(detail).toContain("65536 bytes");
  });

  it("refuses a query, naming its parameters", async () => {
    const reply = await send("alice", method, `${path()}?name=x&user_id=1`, { body: { name: "x" } });
    await expectProblem(reply, "VALIDATION_FAILED", 400, ["/name", "/user_id"]);
  });
});

describe("POST /v1/portfolios", () => {
  it("needs a name", async () => {
    const reply = await send("alice", "POST", "/v1/portfolios", { body: {} });
    const { errors } = await expectProblem(reply, "VALIDATION_FAILED", 400, ["/name"]);
    expect(errors).toEqual([{ pointer: "/name", detail: "is required" }]);
  });

  it.each([JSON_TYPE, {}])("needs a body, with headers %j", async (headers) => {
    const { detail } = await expectProblem(
      await send("alice", "POST", "/v1/portfolios", { headers }),
      "MALFORMED_JSON",
      400,
    );
    expect(detail).toBe("A JSON body is required.");
  });

  it.each([{ BTC: 60, ETH: 39 }, { BTC: 60, ETH: 40.02 }, {}])(
    "refuses targets %j, which do not sum up to 100",
    async (target_allocation) => {
      const reply = await send("alice", "POST", "/v1/portfolios", { body: { name: "x", target_allocation } });
      await expectProblem(reply, "TARGET_ALLOCATION_NOT_100", 422, ["/target_allocation"]);
    },
  );
});
