import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type System, startSystem } from "../support/system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.stop());

const LARGE = `1${"0".repeat(30)}`;
const SMALL = `0.${"0".repeat(29)}1`;

/** Of the reply's JSON, the member's digits as they were sent. */
const digitsOf = (text: string, name: string) => new RegExp(`"${name}":([-\\d.]+)`).exec(text)?.[1];

describe("a portfolio of accounts, over all services", () => {
  it("is valued with the market's prices, exactly from the account to the client, and kept so", async () => {
    const user = `user-${randomUUID()}`;
    const request = async (method: string, path: string, body?: unknown) => {
      const reply = await system.request(user, method, path, body);
      const text = await reply.text();
      expect(reply.status).toBeLessThan(300);
      return text;
    };
    const account = JSON.parse(
      await request("POST", "/v1/accounts", { name: "By hand", account_type: "manual" }),
    ) as { id: string };
    const holdings = [
      { asset: "BTC", quantity: LARGE },
      { asset: "ETH-base", quantity: SMALL },
      { asset: "ETH", quantity: "2", frozen: "0.5" },
      { asset: "NOBODY-KNOWS", quantity: "7" },
    ];
    await request("PUT", `/v1/accounts/${account.id}/holdings`, holdings);
    const members = { name: "Main", target_allocation: { BTC: 50, ETH: 50 } };
    const { id } = JSON.parse(await request("POST", "/v1/portfolios", members)) as { id: string };
    const path = `/v1/portfolios/${id}`;
    await request("POST", `${path}/accounts`, { account_id: account.id });

    const text = await request("GET", `${path}/holdings`);
    const held = JSON.parse(text);
    expect(
      held.holdings.map((row: { asset: string; chain?: string; total_quantity: string }) => [
        row.asset,
        row.chain,
        row.total_quantity,
      ]),
    ).toEqual([
      ["BTC", undefined, LARGE],
      ["ETH", undefined, "2"],
      ["ETH", "base", SMALL],
      ["NOBODY-KNOWS", undefined, "7"],
    ]);
    expect(held.incomplete).toBe(true);
    const prices = held.holdings.map((row: { price_usd: number }) => BigInt(row.price_usd ?? 0));
    const [btc, eth] = prices as [bigint, bigint];
    // 10^30 bitcoins, two ethers, and a quintillionth of a trillionth of one: all digits are there.
    const small = eth.toString().padStart(30, "0").replace(/0+$/, "");
    expect(digitsOf(text, "total_value_usd")).toBe(`${btc * 10n ** 30n + 2n * eth}.${small}`);
    expect(held.holdings[1]).toMatchObject({ total_available: "1.5", total_frozen: "0.5" });

    const constructed = await request("POST", `${path}/construct`);
    expect(digitsOf(constructed, "total_value_usd")).toBe(digitsOf(text, "total_value_usd"));
    expect(await request("GET", `${path}/allocation`)).toBe(constructed);
    expect(JSON.parse(await request("GET", `${path}/drift`))).toMatchObject({
      breached: true,
      incomplete: true,
      assets: [
        { asset: "BTC", current_pct: 100, target_pct: 50, breached: true },
        { asset: "ETH", current_pct: 0, target_pct: 50, breached: true },
        { asset: "NOBODY-KNOWS", unpriced: true },
      ],
    });
  });

  it("has no account of somebody else's in it", async () => {
    const [alice, bob] = [`user-${randomUUID()}`, `user-${randomUUID()}`];
    const created = await system.request(alice, "POST", "/v1/accounts", {
      name: "A",
      account_type: "manual",
    });
    const account = (await created.json()) as { id: string };
    const portfolio = await system.request(bob, "POST", "/v1/portfolios", { name: "B" });
    const { id } = (await portfolio.json()) as { id: string };
    for (const account_id of [account.id, randomUUID()]) {
      const reply = await system.request(bob, "POST", `/v1/portfolios/${id}/accounts`, { account_id });
      expect(reply.status).toBe(404);
    }
    const reply = await system.request(bob, "PUT", `/v1/portfolios/${id}/accounts`, {
      account_ids: [account.id],
    });
    expect(reply.status).toBe(404);
    expect(await (await system.request(bob, "GET", `/v1/portfolios/${id}/accounts`)).json()).toEqual([]);
  });
});
