import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import auth from "../../services/auth/auth.service.ts";
import portfolios from "../../services/portfolios/portfolios.service.ts";
import users from "../../services/users/users.service.ts";
import { expectProblem, type Send, senderTo } from "./http.ts";
import { type InProcess, startGateway } from "./in-process.ts";

let services: InProcess;
let send: Send;

beforeAll(async () => {
  services = await startGateway([auth, users, portfolios]);
  send = senderTo(services);
});
afterAll(() => services.stop());

describe("an id that is none", () => {
  it.each([
    "abc",
    "%2F",
    "%00",
    "..%2f..%2fetc",
    "00000000-0000-0000-0000-00000000000g",
    "%C3%A9",
    "a".repeat(4000),
  ])("is refused: %s", async (bad) => {
    for (const method of ["GET", "PUT", "PATCH", "DELETE"]) {
      const reply = await send("alice", method, `/v1/portfolios/${bad}`);
      await expectProblem(reply, "VALIDATION_FAILED", 400, ["/id"]);
    }
  });

  it.each(["%zz", "%", "%C3", "%ff"])("is refused when its percent encoding is wrong: %s", async (bad) => {
    await expectProblem(await send("alice", "GET", `/v1/portfolios/${bad}`), "MALFORMED_REQUEST", 400);
  });
});

describe("a query of GET /v1/portfolios", () => {
  it.each([
    ["limit=0", "/limit"],
    ["limit=-1", "/limit"],
    ["limit=501", "/limit"],
    ["limit=abc", "/limit"],
    ["limit=1.5", "/limit"],
    ["limit=1e1", "/limit"],
    ["limit=", "/limit"],
    ["limit=99999999999999999999", "/limit"],
    ["limit=1&limit=1", "/limit"],
    ["cursor=", "/cursor"],
    ["cursor=abc", "/cursor"],
    ["cursor=a&cursor=a", "/cursor"],
    [`cursor=${"a".repeat(201)}`, "/cursor"],
    [`cursor=${encode(["2026-01-01T00:00:00.000Z", "no-id"])}`, "/cursor"],
    [`cursor=${encode(["yesterday", "00000000-0000-0000-0000-000000000000"])}`, "/cursor"],
    [`cursor=${encode(["0000-01-01T00:00:00.000Z", "00000000-0000-0000-0000-000000000000"])}`, "/cursor"],
    [`cursor=${encode({})}`, "/cursor"],
    ["offset=1", "/offset"],
    ["user_id=1", "/user_id"],
    ["id=1", "/id"],
    ["__proto__=1", "/__proto__"],
    ["constructor=1", "/constructor"],
    ["limit%5B%5D=1", "/limit[]"],
    ["a%2Fb=1", "/a~1b"],
    ["=1", "/"],
  ])("is refused: %s", async (query, pointer) => {
    const reply = await send("alice", "GET", `/v1/portfolios?${query}`);
    await expectProblem(reply, "VALIDATION_FAILED", 400, [pointer]);
  });

  it("is refused when it has more than 20 parameters", async () => {
    const query = Array.from({ length: 21 }, (_, index) => `a${index}=1`).join("&");
    await expectProblem(await send("alice", "GET", `/v1/portfolios?${query}`), "VALIDATION_FAILED", 400, [
      "",
    ]);
  });

  it.each(["", "&&", "limit=500"])("is taken: '%s'", async (query) => {
    expect((await send("alice", "GET", `/v1/portfolios?${query}`)).status).toBe(200);
  });
});

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
