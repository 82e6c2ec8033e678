import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import {
  Recommendation,
  Recommendations,
} from "../../services/portfolios/contract/recommendation-members.ts";
import { Decimal } from "../../services/portfolios/domain/decimals.ts";
import { type System, startSystem } from "../support/system.ts";
import { expectProblem, type Send, senderTo } from "./http.ts";

let system: System;
let send: Send;

beforeAll(async () => {
  system = await startSystem();
  send = senderTo(system);
}, 60_000);
afterAll(() => system.stop());

const TARGETS = { BTC: 60, ETH: 40 };
const ORDER = {
  action: "sell",
  asset: "BTC",
  quantity: "0.05",
  estimated_price: "60000",
  estimated_value_usd: "3000.00",
};
const OWN = { recommendation_type: "take_profit", rationale: "It has doubled.", proposed_orders: [ORDER] };
/** As existing clients send it, with or without a body. */
const JSON_TYPE = { "Content-Type": "application/json" };

/** A user of their own. */
function someone(): string {
  return `user-${randomUUID()}`;
}

async function created<Body>(user: string, path: string, body: object): Promise<Body> {
  const reply = await send(user, "POST", path, { body });
  expect(reply.status).toBe(201);
  return (await reply.json()) as Body;
}

/** A portfolio with targets, all in BTC, of which there is a seeded price; answers the path of its recommendations. */
async function portfolioOf(user: string, members: object = { target_allocation: TARGETS }): Promise<string> {
  const { id } = await created<{ id: string }>(user, "/v1/portfolios", { name: "Main", ...members });
  const account = await created<{ id: string }>(user, "/v1/accounts", {
    name: "Safe",
    account_type: "manual",
  });
  const holdings = [{ asset: "BTC", quantity: "1.5" }];
  const set = await send(user, "PUT", `/v1/accounts/${account.id}/holdings`, { body: holdings });
  expect(set.status).toBe(200);
  await created(user, `/v1/portfolios/${id}/accounts`, { account_id: account.id });
  return `/v1/portfolios/${id}/recommendations`;
}

async function generate(user: string, path: string, body?: object): Promise<Recommendations> {
  const reply = await send(user, "POST", `${path}/generate`, body ? { body } : { headers: JSON_TYPE });
  expect(reply.status).toBe(200);
  return Recommendations.parse(await reply.json());
}

async function list(user: string, path: string, query = ""): Promise<Recommendations> {
  const reply = await send(user, "GET", `${path}${query}`);
  expect(reply.status).toBe(200);
  return Recommendations.parse(await reply.json());
}

describe("POST …/recommendations/generate", () => {
  it.each(["", "/api"])(
    "answers the envelope with what was made, below '%s', and no more twice",
    async (prefix) => {
      const user = someone();
      const path = await portfolioOf(user);
      const made = await generate(user, `${prefix}${path}`);
      expect(made).toEqual({
        portfolio_id: path.split("/")[3],
        recommendations: [expect.objectContaining({ status: "pending", recommendation_type: "rebalance" })],
        total_count: 1,
      });
      expect(await generate(user, `${prefix}${path}`)).toEqual(made);
      expect(await list(user, `${prefix}${path}`)).toEqual(made);
      const [recommendation] = made.recommendations as [Recommendation];
      const reply = await send(user, "GET", `${prefix}${path}/${recommendation.id}`, { headers: JSON_TYPE });
      expect([reply.status, reply.headers.get("etag")]).toEqual([200, '"1"']);
      expect(await reply.json()).toEqual(recommendation);
    },
  );

  it("adds up on the wire: sells and cash in are buys, fees and cash out", async () => {
    const user = someone();
    const path = await portfolioOf(user);
    const constraints = {
      min_trade_usd: "10.5",
      lot_sizes: { BTC: "0.0001", ETH: "0.001" },
      fee_bps: 12.5,
      cash_in_usd: "1000.01",
      cash_out_usd: 250.25,
      buy_only: false,
      depth: "band",
      valid_for_seconds: 600,
    };
    const { recommendations } = await generate(user, path, constraints);
    const [{ proposed_orders, metadata, expires_at, created_at }] = recommendations as [Recommendation];
    const worth = (action: string) =>
      Decimal.sum(
        0,
        ...proposed_orders
          .filter((order) => order.action === action)
          .map((order) => order.estimated_value_usd),
      );
    const { fees_usd = "", cash_out_usd = "", cash_added_usd } = metadata ?? {};
    expect(cash_added_usd).toBe("1000.01");
    expect(worth("sell").plus("1000.01").toFixed()).toBe(
      worth("buy").plus(fees_usd).plus(cash_out_usd).toFixed(),
    );
    expect(worth("sell").plus(worth("buy")).times("0.00125").toFixed()).toBe(fees_usd);
    for (const { asset, quantity, estimated_value_usd } of proposed_orders) {
      expect(new Decimal(quantity).div(asset === "BTC" ? "0.0001" : "0.001").isInteger()).toBe(true);
      expect(Number(estimated_value_usd)).toBeGreaterThanOrEqual(10.5);
    }
    expect(Date.parse(expires_at as string) - Date.parse(created_at)).toBe(600_000);
  });

  it("writes money as text and percentages as numbers", async () => {
    const user = someone();
    const path = await portfolioOf(user);
    const text = await (await send(user, "POST", `${path}/generate`)).text();
    expect(text).toMatch(/"expected_impact":"\d+(\.\d+)?"/);
    expect(text).toMatch(/"drift_percentage":40[,}]/);
    expect(text).toMatch(/"price_as_of":"[^"]+Z"/);
    expect(text).toMatch(/"executed_at":null/);
  });

  it("makes one of 20 at once", async () => {
    const user = someone();
    const path = await portfolioOf(user);
    const all = await Promise.all(Array.from({ length: 20 }, () => generate(user, path)));
    expect(new Set(all.map(({ recommendations }) => recommendations[0]?.id)).size).toBe(1);
    expect((await list(user, path)).total_count).toBe(1);
  });

  it("answers an empty list where there is nothing to do", async () => {
    const user = someone();
    const path = await portfolioOf(user, { target_allocation: { BTC: 100 } });
    expect(await generate(user, path)).toMatchObject({ recommendations: [], total_count: 0 });
  });

  it("answers 422 without targets, without prices, and for more cash than there is", async () => {
    const user = someone();
    const bare = await portfolioOf(user, {});
    await expectProblem(await send(user, "POST", `${bare}/generate`), "TARGETS_MISSING", 422);
    const unlisted = await portfolioOf(user, { target_allocation: { BTC: 50, "NO-SUCH-COIN": 50 } });
    const reply = await send(user, "POST", `${unlisted}/generate`);
    const { detail } = await expectProblem(reply, "RECOMMENDATION_NOT_POSSIBLE", 422);
    expect(detail).toBe("There is no price for what has a target: NO-SUCH-COIN.");
    const path = await portfolioOf(user);
    const body = { cash_out_usd: "1000000000000" };
    await expectProblem(
      await send(user, "POST", `${path}/generate`, { body }),
      "RECOMMENDATION_NOT_POSSIBLE",
      422,
      ["/cash_out_usd"],
    );
  });
});

describe("POST …/recommendations", () => {
  it("answers 201 with it, its ETag and its address", async () => {
    const user = someone();
    const path = await portfolioOf(user);
    const metadata = {
      confidence: 0.9,
      risk_score: 0,
      price_appreciation_30d: 1.25,
      resistance_level: "65000",
    };
    const body = { ...OWN, expected_impact: "-12.340", metadata };
    const reply = await send(user, "POST", path, { body });
    const recommendation = Recommendation.parse(await reply.json());
    expect([reply.status, reply.headers.get("etag")]).toEqual([201, '"1"']);
    expect(reply.headers.get("location")).toBe(`${path}/${recommendation.id}`);
    expect(recommendation).toMatchObject({ ...body, status: "pending" });
    const found = await send(user, "GET", `/api${path}/${recommendation.id}`);
    expect(await found.json()).toEqual(recommendation);
  });
});

describe("GET …/recommendations", () => {
  it("filters by status and type, and takes a limit", async () => {
    const user = someone();
    const path = await portfolioOf(user);
    for (const recommendation_type of ["stop_loss", "take_profit", "stop_loss"]) {
      await created(user, path, { ...OWN, recommendation_type });
    }
    await generate(user, path);
    const types = async (query: string) => {
      const { recommendations, total_count } = await list(user, path, query);
      return [total_count, ...recommendations.map(({ recommendation_type }) => recommendation_type)];
    };
    expect(await types("")).toEqual([4, "rebalance", "stop_loss", "take_profit", "stop_loss"]);
    expect(await types("?recommendation_type=stop_loss")).toEqual([2, "stop_loss", "stop_loss"]);
    expect(await types("?status=pending&limit=1")).toEqual([4, "rebalance"]);
    expect(await types("?status=rejected")).toEqual([0]);
  });
});

describe("approve, reject, execute", () => {
  it("answer 200 with the recommendation, and 409 when the move is wrong", async () => {
    const user = someone();
    const path = await portfolioOf(user);
    const { recommendations } = await generate(user, path);
    const one = `${path}/${recommendations[0]?.id}`;
    const move = (name: string, headers = {}) =>
      send(user, "POST", `${one}/${name}`, { headers: { ...JSON_TYPE, ...headers } });
    const early = await expectProblem(await move("execute"), "RECOMMENDATION_STATE", 409);
    expect(early.detail).toBe("The recommendation is pending; only one that is approved can be executed.");
    const stale = await move("approve", { "If-Match": '"7"' });
    await expectProblem(stale, "PRECONDITION_FAILED", 412);
    const approved = await move("approve", { "If-Match": '"1"' });
    expect([approved.status, approved.headers.get("etag")]).toEqual([200, '"2"']);
    expect(await approved.json()).toMatchObject({ status: "approved", executed_at: null });
    await expectProblem(await move("reject"), "RECOMMENDATION_STATE", 409);
    const executed = Recommendation.parse(await (await move("execute")).json());
    expect(executed).toMatchObject({ status: "executed", executed_at: executed.updated_at });
    expect(await (await send(user, "GET", one)).json()).toEqual(executed);
    const late = await expectProblem(await move("execute"), "RECOMMENDATION_STATE", 409);
    expect(late.detail).toContain(" is executed;");
  });

  it("let one of 20 approvals win", async () => {
    const user = someone();
    const path = await portfolioOf(user);
    const { id } = await created<Recommendation>(user, path, OWN);
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => send(user, "POST", `${path}/${id}/approve`)),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(409)]);
  });
});

describe("recommendations of somebody else", () => {
  it("are answered with the same bytes as what does not exist", async () => {
    const owner = someone();
    const path = await portfolioOf(owner);
    const { id } = await created<Recommendation>(owner, path, OWN);
    const unknown = `/v1/portfolios/${randomUUID()}/recommendations`;
    const requests: [method: string, below: string, body?: object][] = [
      ["GET", ""],
      ["POST", "", OWN],
      ["POST", "/generate"],
      ["GET", `/${id}`],
      ...["approve", "reject", "execute"].map((move): [string, string] => ["POST", `/${id}/${move}`]),
    ];
    const stranger = someone();
    for (const [method, below, body] of requests) {
      const texts: string[] = [];
      for (const base of [path, unknown]) {
        const reply = await send(stranger, method, base + below, body ? { body } : {});
        expect(reply.status).toBe(404);
        texts.push(await reply.text());
      }
      expect(texts[0]).toBe(texts[1]);
      expect(texts[0]).toContain("/problems/portfolio-not-found");
    }
    expect((await list(owner, path)).total_count).toBe(1);
  });

  it("are out of reach of a personal access token for another portfolio", async () => {
    const user = someone();
    const path = await portfolioOf(user);
    const other = await portfolioOf(user);
    const { token } = await created<{ token: string }>(user, "/v1/tokens", {
      name: "Script",
      scopes: ["portfolios:read", "portfolios:write"],
      expires_at: new Date(Date.now() + 3_600_000).toISOString(),
      portfolio_id: path.split("/")[3],
    });
    const headers = { Authorization: `Bearer ${token}` };
    expect((await send(undefined, "POST", `${path}/generate`, { headers })).status).toBe(200);
    expect((await send(undefined, "GET", path, { headers })).status).toBe(200);
    await expectProblem(await send(undefined, "GET", other, { headers }), "PORTFOLIO_NOT_FOUND", 404);
    const foreign = await send(undefined, "POST", `${other}/generate`, { headers });
    await expectProblem(foreign, "PORTFOLIO_NOT_FOUND", 404);
  });
});

describe("GET /v1/me/export", () => {
  it("has the recommendations of all portfolios", async () => {
    const user = someone();
    const own = await created<Recommendation>(user, await portfolioOf(user), OWN);
    const { recommendations } = await generate(user, await portfolioOf(user));
    const reply = await send(user, "GET", "/v1/me/export");
    const records = (await reply.json()) as { kind: string; recommendation?: Recommendation }[];
    expect(records.flatMap(({ recommendation }) => recommendation ?? [])).toEqual([own, ...recommendations]);
  });
});
