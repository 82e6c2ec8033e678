import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import auth from "../../services/auth/auth.service.ts";
import portfolios from "../../services/portfolios/portfolios.service.ts";
import users from "../../services/users/users.service.ts";
import { day } from "../portfolios/snapshot-services.ts";
import { LARGE, Neighbours, SMALL } from "../portfolios/valued-services.ts";
import { expectProblem, type Send, type SendOptions, senderTo } from "./http.ts";
import { type InProcess, startGateway } from "./in-process.ts";

const neighbours = new Neighbours();
let services: InProcess;
let send: Send;
/** One for all that only read, or are refused. */
let shared: Awaited<ReturnType<typeof someone>>;

beforeAll(async () => {
  services = await startGateway([auth, users, ...neighbours.modules, portfolios]);
  send = senderTo(services);
  neighbours.know({ symbol: "LARGE", price: LARGE });
  neighbours.know({ symbol: "BTC", price: "50000.10" });
  shared = await someone([["BTC", "1"]]);
});
afterAll(() => services.stop());

/** A user with a portfolio that has one account with these holdings. */
async function someone(holdings: readonly (readonly [string, string])[]) {
  const user = `user-${randomUUID()}`;
  const { id: userId } = (await (await send(user, "GET", "/v1/me")).json()) as { id: string };
  const created = await send(user, "POST", "/v1/portfolios", { body: { name: "Main" } });
  const { id } = (await created.json()) as { id: string };
  const body = { account_ids: [neighbours.account(userId, holdings)] };
  await send(user, "PUT", `/v1/portfolios/${id}/accounts`, { body });
  return { user, id, path: `/v1/portfolios/${id}/snapshots` };
}

const JSON_TYPE = { "Content-Type": "application/json" };

describe("POST /v1/portfolios/{id}/snapshots", () => {
  it.each<[string, SendOptions]>([
    ["no body", {}],
    ["no body but its content type", { headers: JSON_TYPE }],
    ["an empty object", { body: {} }],
    ["its defaults", { body: { snapshot_type: "manual", snapshot_date: day() } }],
    ["null for the date", { body: { snapshot_date: null } }],
    [
      "JSON that is encoded twice",
      { body: JSON.stringify('{"snapshot_type":"manual"}'), headers: JSON_TYPE },
    ],
    ["an empty object, encoded twice", { body: '"{}"', headers: JSON_TYPE }],
  ])("answers 200 with the result to %s", async (_, options) => {
    const { user, path, id } = await someone([["BTC", "2"]]);
    for (const prefix of ["", "/api"]) {
      const reply = await send(user, "POST", prefix + path, options);
      expect([reply.status, await reply.json()]).toEqual([
        200,
        {
          portfolio_id: id,
          snapshot_id: expect.any(String),
          success: true,
          holdings_count: 1,
          total_value_usd: "100000.2",
        },
      ]);
    }
    const { snapshots } = (await (await send(user, "GET", path)).json()) as { snapshots: object[] };
    expect(snapshots).toEqual([expect.objectContaining({ snapshot_type: "manual", snapshot_date: day() })]);
  });

  it("has an alias that takes the end of the day", async () => {
    const { user, path } = await someone([["BTC", "2"]]);
    const reply = await send(user, "POST", `${path}/eod`, { headers: JSON_TYPE });
    expect([reply.status, await reply.json()]).toEqual([200, expect.objectContaining({ success: true })]);
    const latest = await send(user, "GET", `${path}/latest`);
    expect(await latest.json()).toMatchObject({ snapshot_type: "eod", snapshot_date: day() });
  });

  it.each<[string, SendOptions["body"], string, number, string[] | undefined]>([
    ["an unknown type", { snapshot_type: "daily" }, "VALIDATION_FAILED", 400, ["/snapshot_type"]],
    ["a type that is null", { snapshot_type: null }, "VALIDATION_FAILED", 400, ["/snapshot_type"]],
    ["an impossible day", { snapshot_date: "2026-02-30" }, "VALIDATION_FAILED", 400, ["/snapshot_date"]],
    ["a time", { snapshot_date: `${day()}T00:00:00Z` }, "VALIDATION_FAILED", 400, ["/snapshot_date"]],
    ["the year 0", { snapshot_date: "0000-01-01" }, "VALIDATION_FAILED", 400, ["/snapshot_date"]],
    ["a number as the day", { snapshot_date: 20260131 }, "VALIDATION_FAILED", 400, ["/snapshot_date"]],
    ["yesterday", { snapshot_date: day(1) }, "SNAPSHOT_DATE_NOT_TODAY", 422, ["/snapshot_date"]],
    ["tomorrow", { snapshot_date: day(-1) }, "SNAPSHOT_DATE_NOT_TODAY", 422, ["/snapshot_date"]],
    ["a value of its own", { total_value_usd: "1" }, "VALIDATION_FAILED", 400, ["/total_value_usd"]],
    ["another portfolio", { id: randomUUID() }, "VALIDATION_FAILED", 400, ["/id"]],
    ["text", '"manual"', "MALFORMED_JSON", 400, undefined],
    ["JSON that is encoded three times", JSON.stringify('"{}"'), "VALIDATION_FAILED", 400, [""]],
    ["a list, encoded twice", '"[]"', "VALIDATION_FAILED", 400, [""]],
    ["unknown members, encoded twice", JSON.stringify('{"a":1}'), "VALIDATION_FAILED", 400, ["/a"]],
    [
      "a prototype, encoded twice",
      JSON.stringify('{"__proto__":{"snapshot_type":"eod"}}'),
      "VALIDATION_FAILED",
      400,
      ["/__proto__"],
    ],
    [
      "too deep nesting, encoded twice",
      JSON.stringify("[".repeat(40) + "]".repeat(40)),
      "VALIDATION_FAILED",
      400,
      [""],
    ],
  ])("refuses %s", async (_, body, code, status, pointers) => {
    const { user, path } = shared;
    const options = { body, headers: JSON_TYPE } as SendOptions;
    await expectProblem(await send(user, "POST", path, options), code as never, status, pointers);
    const listed = await send(user, "GET", path);
    expect(await listed.json()).toMatchObject({ snapshots: [], total_count: 0 });
  });

  it("alone takes JSON that is encoded twice", async () => {
    const { user, path, id } = shared;
    const options = { body: '"{}"', headers: JSON_TYPE };
    for (const other of [`${path}/eod`, "/v1/snapshots/create-all", "/v1/portfolios"]) {
      await expectProblem(await send(user, "POST", other, options), "VALIDATION_FAILED", 400, [""]);
    }
    await expectProblem(await send(user, "PUT", `/v1/portfolios/${id}`, options), "VALIDATION_FAILED", 400, [
      "",
    ]);
  });
});

describe("POST /v1/snapshots/create-all", () => {
  it.each(["", "/api"])("answers 200 with the caller's results, below '%s'", async (prefix) => {
    const { user, id } = await someone([["BTC", "2"]]);
    const created = await send(user, "POST", "/v1/portfolios", { body: { name: "Empty" } });
    const { id: empty } = (await created.json()) as { id: string };
    const body = { snapshot_type: "hourly" };
    const reply = await send(user, "POST", `${prefix}/v1/snapshots/create-all`, { body });
    const snapshot_id = expect.any(String);
    expect([reply.status, await reply.json()]).toEqual([
      200,
      {
        total: 2,
        successful: 2,
        failed: 0,
        results: [
          { portfolio_id: id, snapshot_id, success: true, holdings_count: 1, total_value_usd: "100000.2" },
          { portfolio_id: empty, snapshot_id, success: true, holdings_count: 0, total_value_usd: "0" },
        ],
      },
    ]);
  });

  it("refuses another day than today", async () => {
    const options = { body: { snapshot_date: "2026-01-31" } };
    const reply = await send(shared.user, "POST", "/v1/snapshots/create-all", options);
    await expectProblem(reply, "SNAPSHOT_DATE_NOT_TODAY", 422, ["/snapshot_date"]);
  });
});

describe("GET /v1/portfolios/{id}/snapshots", () => {
  it("answers the total as text, and money within as JSON numbers, each of exact digits", async () => {
    const { user, id, path } = await someone([
      ["LARGE", SMALL],
      ["NEW", "5"],
    ]);
    await send(user, "POST", path);
    const price = `"price_usd":${LARGE},"value_usd":1,"weight":100,"unpriced":false`;
    const snapshot =
      `{"id":"ID","portfolio_id":"${id}","snapshot_date":"${day()}","snapshot_type":"manual","total_value_usd":"1",` +
      `"holdings":[{"asset":"LARGE","quantity":"${SMALL}",${price}},` +
      `{"asset":"NEW","quantity":"5","value_usd":0,"weight":0,"unpriced":true}],"metadata":{"portfolio_name":"Main",` +
      `"allocation_as_of":"T","snapshot_time":"T","created_at":"T"},"created_at":"T"}`;
    const plain = async (address: string) =>
      (await (await send(user, "GET", address)).text())
        .replace(/"id":"[^"]+"/, '"id":"ID"')
        .replaceAll(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"T"');
    expect(await plain(path)).toBe(`{"portfolio_id":"${id}","snapshots":[${snapshot}],"total_count":1}`);
    expect(await plain(`${path}/latest`)).toBe(snapshot);
  });

  it("filters, and counts all that match beside a limit", async () => {
    const { user, path } = await someone([["BTC", "1"]]);
    for (const snapshot_type of ["manual", "hourly", "eod"]) {
      await send(user, "POST", path, { body: { snapshot_type } });
    }
    const shown = async (query: string) => {
      const reply = await send(user, "GET", `${path}?${query}`);
      const { snapshots, total_count } = (await reply.json()) as {
        snapshots: { snapshot_type: string }[];
        total_count: number;
      };
      return [total_count, ...snapshots.map(({ snapshot_type }) => snapshot_type)];
    };
    expect(await shown(`start_date=${day()}&end_date=${day()}`)).toEqual([3, "eod", "hourly", "manual"]);
    expect(await shown("limit=1")).toEqual([3, "eod"]);
    expect(await shown(`snapshot_type=manual&start_date=${day(30)}&end_date=${day()}`)).toEqual([
      1,
      "manual",
    ]);
    expect(await shown(`end_date=${day(1)}`)).toEqual([0]);
  });

  it.each<[string, string, number, string[]]>([
    ["snapshot_type=daily", "VALIDATION_FAILED", 400, ["/snapshot_type"]],
    ["snapshot_type=", "VALIDATION_FAILED", 400, ["/snapshot_type"]],
    ["start_date=2026-02-30", "VALIDATION_FAILED", 400, ["/start_date"]],
    ["end_date=31.01.2026", "VALIDATION_FAILED", 400, ["/end_date"]],
    ["start_date=0000-12-31", "VALIDATION_FAILED", 400, ["/start_date"]],
    ["start_date=infinity", "VALIDATION_FAILED", 400, ["/start_date"]],
    ["limit=0", "VALIDATION_FAILED", 400, ["/limit"]],
    ["limit=501", "VALIDATION_FAILED", 400, ["/limit"]],
    ["cursor=x", "VALIDATION_FAILED", 400, ["/cursor"]],
    ["date=2026-01-31", "VALIDATION_FAILED", 400, ["/date"]],
    ["start_date=2026-02-01&end_date=2026-01-31", "SNAPSHOT_DATES_REVERSED", 422, ["/start_date"]],
  ])("refuses ?%s", async (query, code, status, pointers) => {
    const reply = await send(shared.user, "GET", `${shared.path}?${query}`);
    await expectProblem(reply, code as never, status, pointers);
  });
});

describe("GET /v1/portfolios/{id}/snapshots/latest", () => {
  it("answers 404 before there is one", async () => {
    const reply = await send(shared.user, "GET", `${shared.path}/latest`);
    await expectProblem(reply, "SNAPSHOT_NOT_FOUND", 404);
  });
});

describe("snapshots of someone else's portfolio", () => {
  it.each([
    ["GET", ""],
    ["GET", "/latest"],
    ["POST", ""],
    ["POST", "/eod"],
  ])("answer %s %s with the very bytes of 'not found'", async (method, end) => {
    const { path } = await someone([["BTC", "1"]]);
    const nowhere = `/v1/portfolios/${randomUUID()}/snapshots`;
    const [theirs, none] = await Promise.all(
      [path, nowhere].map(async (address) => send(shared.user, method, address + end)),
    );
    expect([theirs?.status, await theirs?.text()]).toEqual([404, await none?.text()]);
  });
});
