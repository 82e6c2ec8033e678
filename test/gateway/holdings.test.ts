import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import auth from "../../services/auth/auth.service.ts";
import portfolios from "../../services/portfolios/portfolios.service.ts";
import users from "../../services/users/users.service.ts";
import { LARGE, Neighbours, SMALL } from "../portfolios/valued-services.ts";
import { expectProblem, type Send, senderTo } from "./http.ts";
import { type InProcess, startGateway } from "./in-process.ts";

const neighbours = new Neighbours();
let services: InProcess;
let send: Send;

beforeAll(async () => {
  services = await startGateway([auth, users, ...neighbours.modules, portfolios]);
  send = senderTo(services);
  neighbours.know({ symbol: "LARGE", price: LARGE });
  neighbours.know({ symbol: "SMALL", price: SMALL });
  neighbours.know({ symbol: "BTC", price: "50000.10" });
  neighbours.know({ symbol: "ETH", price: "2500" });
});
afterAll(() => services.stop());

/** A user with a portfolio that has one account with these holdings. */
async function someone(holdings: readonly (readonly [string, string])[] = [], members: object = {}) {
  const user = `user-${randomUUID()}`;
  const { id: userId } = (await (await send(user, "GET", "/v1/me")).json()) as { id: string };
  const created = await send(user, "POST", "/v1/portfolios", { body: { name: "Main", ...members } });
  const { id } = (await created.json()) as { id: string };
  const account = neighbours.account(userId, holdings);
  const linked = await send(user, "PUT", `/v1/portfolios/${id}/accounts`, {
    body: { account_ids: [account] },
  });
  expect(linked.status).toBe(200);
  return { user, userId, id, account, path: `/v1/portfolios/${id}` };
}

describe("GET /v1/portfolios/{id}/holdings", () => {
  it.each(["", "/api"])(
    "answers money as JSON numbers of exact digits, quantities as texts, below '%s'",
    async (prefix) => {
      const { user, path, id, account } = await someone([
        ["LARGE", SMALL],
        ["SMALL", SMALL],
        ["NEW", "1"],
      ]);
      const reply = await send(user, "GET", `${prefix}${path}/holdings`);
      expect(reply.status).toBe(200);
      const text = await reply.text();
      const total = `1.${"0".repeat(59)}1`;
      const share = (quantity: string) =>
        `"accounts":[{"account_id":"${account}","account_name":"Manual","quantity":"${quantity}","available":"${quantity}","frozen":"0","normalized_quantity":"${quantity}"}]`;
      const row = (asset: string, quantity: string) =>
        `{"asset":"${asset}","total_quantity":"${quantity}","total_available":"${quantity}","total_frozen":"0","normalized_quantity":"${quantity}",`;
      const priced = `"price_as_of":"2026-01-31T09:30:00.000Z","price_source":"test","price_stale":false,`;
      const withoutIds = text.replaceAll(/"asset_id":"[^"]+",/g, "").replace(/"as_of":"[^"]+"\}$/, "");
      expect(withoutIds).toBe(
        `{"portfolio_id":"${id}","total_value_usd":${total},"incomplete":true,"holdings":[` +
          `${row("LARGE", SMALL)}"price_usd":${LARGE},"value_usd":1,"unpriced":false,${priced}${share(SMALL)}},` +
          `${row("SMALL", SMALL)}"price_usd":${SMALL},"value_usd":0.${"0".repeat(59)}1,"unpriced":false,${priced}${share(SMALL)}},` +
          `${row("NEW", "1")}"price_usd":null,"value_usd":null,"unpriced":true,${share("1")}}],` +
          `"allocation":[{"asset":"LARGE","value_usd":1,"percentage":100},` +
          `{"asset":"SMALL","value_usd":0.${"0".repeat(59)}1,"percentage":0},` +
          `{"asset":"NEW","value_usd":0,"percentage":0}],`,
      );
    },
  );

  it("answers the same at holdings/latest", async () => {
    const { user, path } = await someone([["BTC", "2"]]);
    const [now, latest] = await Promise.all(
      ["holdings", "holdings/latest"].map(async (name) =>
        (await send(user, "GET", `${path}/${name}`)).json(),
      ),
    );
    expect({ ...(latest as object), as_of: "" }).toEqual({ ...(now as object), as_of: "" });
    expect(now).toMatchObject({ total_value_usd: 100000.2, incomplete: false });
  });

  it("answers 0, not -0 and not 0.0, for an empty portfolio", async () => {
    const { user, path } = await someone();
    expect(await (await send(user, "GET", `${path}/holdings`)).text()).toMatch(
      /"total_value_usd":0,"incomplete":false,"holdings":\[\],"allocation":\[\],/,
    );
  });
});

describe("POST /v1/portfolios/{id}/construct and GET …/allocation", () => {
  it("answers 404 until constructed, then what was constructed, byte for byte", async () => {
    const { user, path, account } = await someone([
      ["BTC", "0.1"],
      ["ETH", SMALL],
      ["NEW", LARGE],
    ]);
    await expectProblem(await send(user, "GET", `${path}/allocation`), "ALLOCATION_NOT_FOUND", 404);
    const headers = { "Content-Type": "application/json" };
    const constructed = await send(user, "POST", `${path}/construct`, { headers });
    expect(constructed.status).toBe(200);
    const text = await constructed.text();
    expect(text).toContain(`"quantity":"${LARGE}","value_usd":0,"weight":0,"unpriced":true`);
    expect(text).toContain(`"quantity":"0.1","price_usd":50000.1,"value_usd":5000.01,"weight":100,`);
    neighbours.hold(account, []);
    expect(await (await send(user, "GET", `${path}/allocation`)).text()).toBe(text);
    const portfolio = await send(user, "GET", path);
    expect(await portfolio.json()).toMatchObject({ last_constructed_at: JSON.parse(text).as_of, version: 2 });
    expect(portfolio.headers.get("etag")).toBe('"2"');
  });

  it("keeps one of many that are constructed at once", async () => {
    const { user, path } = await someone([["BTC", "1"]]);
    const replies = await Promise.all(
      Array.from({ length: 20 }, async () => (await send(user, "POST", `${path}/construct`)).text()),
    );
    expect(replies).toContain(await (await send(user, "GET", `${path}/allocation`)).text());
  });

  it("refuses a body", async () => {
    const { user, path } = await someone();
    const reply = await send(user, "POST", `${path}/construct`, { body: { date: "2026-01-31" } });
    await expectProblem(reply, "VALIDATION_FAILED", 400, ["/date"]);
  });
});

describe("what a portfolio of someone else holds", () => {
  it.each([
    ["GET", "holdings"],
    ["GET", "holdings/latest"],
    ["POST", "construct"],
    ["GET", "allocation"],
    ["GET", "drift"],
  ])("is answered by %s …/%s with the bytes of one that is not there", async (method, name) => {
    const { path } = await someone([["BTC", "1"]]);
    const stranger = `user-${randomUUID()}`;
    const [foreign, unknown] = await Promise.all(
      [path, `/v1/portfolios/${randomUUID()}`].map(async (at) => {
        const reply = await send(stranger, method, `${at}/${name}`);
        return { status: reply.status, text: await reply.text() };
      }),
    );
    expect(foreign?.status).toBe(404);
    expect(foreign).toEqual(unknown);
  });

  it.each(["holdings", "allocation", "drift"])("is a bad request at a bad id: %s", async (name) => {
    const reply = await send(`user-${randomUUID()}`, "GET", `/v1/portfolios/42/${name}`);
    await expectProblem(reply, "VALIDATION_FAILED", 400, ["/id"]);
  });
});
