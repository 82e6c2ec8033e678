import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Portfolio } from "../../services/portfolios/contract.ts";
import portfolios from "../../services/portfolios/portfolios.service.ts";
import { principalOf, startBroker, type TestBroker } from "../support/broker.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let services: TestBroker;

beforeAll(async () => {
  database = await cloneDatabase();
  services = await startBroker([portfolios], { DATABASE_URL: database.url, DB_MIN_CONNECTIONS: "2" });
});
afterAll(async () => {
  await services.stop();
  await database.drop();
});

interface Page {
  readonly items: Portfolio[];
  readonly next_cursor?: string;
}

/** The portfolio actions as one user calls them. */
function as(userId: string, principal = principalOf(userId)) {
  return {
    list: (params: object = {}) => services.callAs<Page>(principal, "portfolios.list", params),
    create: (params: object) => services.callAs<Portfolio>(principal, "portfolios.create", params),
    get: (id: string) => services.callAs<Portfolio>(principal, "portfolios.get", { id }),
    update: (id: string, params: object) =>
      services.callAs<Portfolio>(principal, "portfolios.update", { id, ...params }),
    delete: (id: string, params: object = {}) =>
      services.callAs<null>(principal, "portfolios.delete", { id, ...params }),
  };
}

describe("portfolios.create", () => {
  it("answers the portfolio in the wire's form, without what is absent", async () => {
    const userId = randomUUID();
    const created = await as(userId).create({ name: "  Main  " });
    expect(Portfolio.parse(created)).toEqual(created);
    expect(created).toEqual({
      id: expect.any(String),
      user_id: userId,
      name: "Main",
      is_default: true,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updated_at: created.created_at,
      version: 1,
    });
  });

  it("makes the first portfolio the default, and later ones not", async () => {
    const user = as(randomUUID());
    await user.create({ name: "First", is_default: false });
    await user.create({ name: "Second" });
    const { items } = await user.list();
    expect(items.map(({ name, is_default }) => [name, is_default])).toEqual([
      ["First", true],
      ["Second", false],
    ]);
  });

  it("leaves exactly one default when many first portfolios are created at once", async () => {
    const user = as(randomUUID());
    await Promise.all(Array.from({ length: 20 }, (_, index) => user.create({ name: `Portfolio ${index}` })));
    const { items } = await user.list();
    expect(items).toHaveLength(20);
    expect(items.filter(({ is_default }) => is_default)).toHaveLength(1);
  });

  it("leaves exactly one default when many defaults are created at once", async () => {
    const user = as(randomUUID());
    await Promise.all(
      Array.from({ length: 4 }, (_, index) => user.create({ name: `${index}`, is_default: true })),
    );
    const { items } = await user.list();
    expect(items.filter(({ is_default }) => is_default)).toHaveLength(1);
  });

  it("takes targets as a list, and answers them as the object", async () => {
    const targets = [
      { symbol: "BTC", target_pct: 33.34 },
      { symbol: "ETH", target_pct: 66.66 },
    ];
    const created = await as(randomUUID()).create({ name: "Targets", target_allocation: targets });
    expect(created.target_allocation).toEqual({ BTC: 33.34, ETH: 66.66 });
  });

  it.each([[{ BTC: 60, ETH: 39 }], [{ BTC: 60, ETH: 40.02 }], [{}]])(
    "refuses targets %j, which do not sum up to 100",
    async (target_allocation) => {
      const user = as(randomUUID());
      await expect(user.create({ name: "Targets", target_allocation })).rejects.toMatchObject({
        type: "TARGET_ALLOCATION_NOT_100",
        data: { errors: [{ pointer: "/target_allocation" }] },
      });
      expect((await user.list()).items).toEqual([]);
    },
  );
});
