import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Allocation } from "../../services/portfolios/contract/holdings.ts";
import type { ExportedPortfolio } from "../../services/portfolios/contract/portfolio.ts";
import { principalOf } from "../support/broker.ts";
import { LARGE, SMALL, startValued, type ValuedServices } from "./valued-services.ts";

let services: ValuedServices;
beforeAll(async () => {
  services = await startValued();
  services.neighbours.know({ symbol: "BTC", price: "50000" });
  services.neighbours.know({ symbol: "TINY", price: SMALL });
});
afterAll(() => services.stop());

async function someone(...holdings: readonly (readonly [string, string])[]) {
  const userId = randomUUID();
  const user = services.as(userId);
  const { id } = await user.portfolio();
  const account = services.neighbours.account(userId, holdings);
  await user.replace(id, [account]);
  return { userId, user, id, account };
}

describe("portfolios.construct", () => {
  it("keeps what is held now, exactly, and says when", async () => {
    const { user, id } = await someone(["BTC", "0.5"], ["TINY", LARGE], ["NEW", SMALL]);
    const before = await user.get(id);
    const constructed = await user.construct(id);
    expect(Allocation.parse(constructed)).toEqual({
      portfolio_id: id,
      total_value_usd: "25001",
      holdings: [
        {
          asset: "BTC",
          quantity: "0.5",
          price_usd: "50000",
          value_usd: "25000",
          weight: "99.99600016",
          unpriced: false,
        },
        {
          asset: "TINY",
          quantity: LARGE,
          price_usd: SMALL,
          value_usd: "1",
          weight: "0.00399984",
          unpriced: false,
        },
        { asset: "NEW", quantity: SMALL, value_usd: "0", weight: "0", unpriced: true },
      ],
      as_of: expect.any(String),
    });
    expect(await user.allocation(id)).toEqual(constructed);
    const after = await user.get(id);
    expect(after).toEqual({
      ...before,
      last_constructed_at: constructed.as_of,
      updated_at: expect.any(String),
      version: before.version + 1,
    });
    expect(after.updated_at > before.updated_at).toBe(true);
  });

  it("replaces the one before, and what is held later does not change it", async () => {
    const { user, id, account } = await someone(["BTC", "1"]);
    await user.construct(id);
    services.neighbours.hold(account, [["BTC", "2"]]);
    expect((await user.allocation(id)).total_value_usd).toBe("50000");
    const second = await user.construct(id);
    expect(second.total_value_usd).toBe("100000");
    expect(await user.allocation(id)).toEqual(second);
  });

  it("leaves one whole allocation, and the time of it, when many construct at once", async () => {
    const { user, id, account } = await someone(["BTC", "1"]);
    const constructed = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        services.neighbours.hold(account, [["BTC", String(index + 1)]]);
        return user.construct(id);
      }),
    );
    const stored = await user.allocation(id);
    expect(constructed).toContainEqual(stored);
    expect((await user.get(id)).last_constructed_at).toBe(stored.as_of);
  });

  it("keeps nothing of a portfolio that is deleted meanwhile", async () => {
    const { user, id } = await someone(["BTC", "1"]);
    const [constructed] = await Promise.allSettled([user.construct(id), user.delete(id)]);
    if (constructed.status === "rejected") expect(constructed.reason.type).toBe("PORTFOLIO_NOT_FOUND");
    await expect(user.allocation(id)).rejects.toMatchObject({ type: "PORTFOLIO_NOT_FOUND" });
  });
});

describe("portfolios.allocation", () => {
  it("is not there until constructed", async () => {
    const { user, id } = await someone(["BTC", "1"]);
    await expect(user.allocation(id)).rejects.toMatchObject({ type: "ALLOCATION_NOT_FOUND" });
  });

  it("of an empty portfolio is empty", async () => {
    const user = services.as(randomUUID());
    const { id } = await user.portfolio();
    expect(await user.construct(id)).toMatchObject({ total_value_usd: "0", holdings: [] });
    expect(await user.allocation(id)).toMatchObject({ total_value_usd: "0", holdings: [] });
  });
});

describe("what another's portfolio holds", () => {
  it("is not there, also not to a token for one portfolio", async () => {
    const { userId, user, id } = await someone(["BTC", "1"]);
    const { id: other } = await user.portfolio({ name: "Other" });
    const stranger = services.as(randomUUID());
    const token = services.as(userId, principalOf(userId, { portfolioId: other }));
    for (const one of [stranger, token]) {
      for (const attempt of [one.holdings, one.construct, one.allocation, one.drift]) {
        await expect(attempt(id)).rejects.toMatchObject({ type: "PORTFOLIO_NOT_FOUND", data: {} });
      }
    }
    await expect(user.allocation(id)).rejects.toMatchObject({ type: "ALLOCATION_NOT_FOUND" });
    expect((await token.holdings(other)).total_value_usd).toBe("0");
  });
});

describe("portfolios.exportUser", () => {
  it("has the links and the allocation of each portfolio, and nothing of them after eraseUser", async () => {
    const { userId, user, id, account } = await someone(["BTC", "1"]);
    const plain = await user.portfolio({ name: "Plain" });
    const constructed = await user.construct(id);
    const exported = () =>
      services.callAs<{ items: ExportedPortfolio[] }>(undefined, "portfolios.exportUser", {
        user_id: userId,
      });
    expect((await exported()).items).toEqual([
      { ...(await user.get(id)), account_ids: [account], allocation: constructed },
      { ...plain, account_ids: [] },
    ]);
    await services.callAs(undefined, "portfolios.eraseUser", { user_id: userId });
    expect((await exported()).items).toEqual([]);
    await expect(user.allocation(id)).rejects.toMatchObject({ type: "PORTFOLIO_NOT_FOUND" });
  });

  it("pages through many portfolios with their allocations", async () => {
    const { userId, user, id } = await someone(["BTC", "1"]);
    const names = Array.from({ length: 24 }, (_, index) => `More ${index}`);
    for (const name of names) await user.construct((await user.portfolio({ name })).id);
    const found: ExportedPortfolio[] = [];
    for (let cursor: string | undefined, first = true; first || cursor; first = false) {
      const page: { items: ExportedPortfolio[]; next_cursor?: string } = await services.callAs(
        undefined,
        "portfolios.exportUser",
        { user_id: userId, ...(cursor && { cursor }) },
      );
      found.push(...page.items);
      cursor = page.next_cursor;
    }
    expect(found[0]?.id).toBe(id);
    expect(found.slice(1).map(({ name }) => name)).toEqual(names);
  });
});
