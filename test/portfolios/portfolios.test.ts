import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Portfolio } from "../../services/portfolios/contract/portfolio.ts";
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

describe("portfolios.list", () => {
  it("answers oldest first, and only the caller's", async () => {
    const [alice, bob] = [as(randomUUID()), as(randomUUID())];
    for (const name of ["One", "Two", "Three"]) await alice.create({ name });
    await bob.create({ name: "Bob's" });
    expect((await alice.list()).items.map(({ name }) => name)).toEqual(["One", "Two", "Three"]);
    expect((await bob.list()).items.map(({ name }) => name)).toEqual(["Bob's"]);
  });

  it("answers each of many concurrent callers their own", async () => {
    const users = Array.from({ length: 50 }, () => randomUUID());
    await Promise.all(users.map((userId) => as(userId).create({ name: userId })));
    const pages = await Promise.all(users.map((userId) => as(userId).list()));
    expect(pages.map(({ items }) => items.map(({ name }) => name))).toEqual(users.map((userId) => [userId]));
  });

  it("pages without losing or repeating a row, also among rows of one time", async () => {
    const userId = randomUUID();
    await database.query(
      `insert into portfolios.portfolios (id, user_id, name, created_at)
       select gen_random_uuid(), $1, 'P' || n, timestamptz '2026-01-31 09:30:00.12+00' + (n / 3) * interval '1 ms'
       from generate_series(1, 20) n`,
      [userId],
    );
    const user = as(userId);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page: Page = await user.list({ limit: 3, ...(cursor && { cursor }) });
      expect(page.items.length).toBeLessThanOrEqual(3);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next_cursor;
    } while (cursor);
    const all = await user.list();
    expect(all.next_cursor).toBeUndefined();
    expect(seen).toEqual(all.items.map(({ id }) => id));
    expect(new Set(seen).size).toBe(20);
  });

  it.each(["x", "bm90IGpzb24", Buffer.from('["yesterday","1"]').toString("base64url")])(
    "refuses the cursor %s, which is none of its own",
    async (cursor) => {
      await expect(as(randomUUID()).list({ cursor })).rejects.toMatchObject({
        type: "VALIDATION_FAILED",
        data: { errors: [{ pointer: "/cursor" }] },
      });
    },
  );
});

describe("portfolios.update", () => {
  it("changes what is named, leaves the rest, and counts the version up", async () => {
    const user = as(randomUUID());
    const created = await user.create({ name: "Main", description: "Mine", guardrails: { drift_band: 5 } });
    const updated = await user.update(created.id, { name: "Renamed" });
    expect(updated).toEqual({ ...created, name: "Renamed", version: 2, updated_at: expect.any(String) });
    expect(Date.parse(updated.updated_at)).toBeGreaterThanOrEqual(Date.parse(created.updated_at));
    expect(await user.get(created.id)).toEqual(updated);
  });

  it("clears with null what is optional", async () => {
    const user = as(randomUUID());
    const members = { description: "Mine", guardrails: { drift_band: 5 }, target_allocation: { BTC: 100 } };
    const { id } = await user.create({ name: "Main", ...members });
    const cleared = await user.update(id, { description: null, guardrails: null, target_allocation: null });
    for (const member of Object.keys(members)) expect(cleared).not.toHaveProperty(member);
  });

  it("moves the default in one step, and both portfolios tell so", async () => {
    const user = as(randomUUID());
    const [first, second] = [await user.create({ name: "First" }), await user.create({ name: "Second" })];
    await user.update(second.id, { is_default: true });
    const { items } = await user.list();
    expect(items.map(({ id, is_default, version }) => [id, is_default, version])).toEqual([
      [first.id, false, 2],
      [second.id, true, 2],
    ]);
  });

  it("leaves exactly one default when it is moved many times at once", async () => {
    const user = as(randomUUID());
    const ids: string[] = [];
    for (const name of ["1", "2", "3"]) ids.push((await user.create({ name })).id);
    await Promise.all(ids.map((id) => user.update(id, { is_default: true })));
    expect((await user.list()).items.filter(({ is_default }) => is_default)).toHaveLength(1);
  });

  it("lets one of two writers of one version win", async () => {
    const user = as(randomUUID());
    const { id } = await user.create({ name: "Main" });
    const writes = await Promise.allSettled(["A", "B"].map((name) => user.update(id, { name, if_match: 1 })));
    expect(writes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const lost = writes.find((write) => write.status === "rejected");
    expect(lost?.reason).toMatchObject({ type: "PRECONDITION_FAILED", code: 412 });
  });
});

describe("portfolios of someone else", () => {
  it("are not found, exactly like those that do not exist, and stay untouched", async () => {
    const owner = as(randomUUID());
    const other = as(randomUUID());
    const portfolio = await owner.create({ name: "Mine" });
    const attempts = (id: string) => [
      () => other.get(id),
      () => other.update(id, { name: "Yours" }),
      () => other.update(id, { name: "Yours", if_match: 7 }),
      () => other.delete(id),
    ];
    async function refusal(attempt: () => Promise<unknown>): Promise<unknown> {
      const { type, code, message, data } = await attempt().then(
        () => ({ type: "it succeeded" }) as never,
        (error) => error,
      );
      return { type, code, message, data };
    }
    const foreign = await Promise.all(attempts(portfolio.id).map(refusal));
    const missing = await Promise.all(attempts(randomUUID()).map(refusal));
    expect(foreign).toEqual(missing);
    expect(foreign[0]).toMatchObject({ type: "PORTFOLIO_NOT_FOUND", code: 404 });
    expect(await owner.get(portfolio.id)).toEqual(portfolio);
  });
});

describe("portfolios.delete", () => {
  it("deletes, and what is deleted is not found any more", async () => {
    const user = as(randomUUID());
    const { id } = await user.create({ name: "Main" });
    await expect(user.delete(id, { if_match: 9 })).rejects.toMatchObject({ type: "PRECONDITION_FAILED" });
    expect(await user.delete(id)).toBeNull();
    await expect(user.get(id)).rejects.toMatchObject({ type: "PORTFOLIO_NOT_FOUND" });
    await expect(user.delete(id)).rejects.toMatchObject({ type: "PORTFOLIO_NOT_FOUND" });
  });
});

describe("portfolios.list of large portfolios", () => {
  it("ends a page where a message of NATS would be full, and goes on from there", async () => {
    const userId = randomUUID();
    await database.query(
      `insert into portfolios.portfolios (id, user_id, name, description)
       select gen_random_uuid(), $1, 'P' || n, repeat('€', 2000) from generate_series(1, 400) n`,
      [userId],
    );
    const user = as(userId);
    const seen = new Set<string>();
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page: Page = await user.list(cursor ? { cursor } : {});
      expect(JSON.stringify(page).length).toBeLessThan(700_000);
      for (const { id } of page.items) seen.add(id);
      cursor = page.next_cursor;
      pages += 1;
    } while (cursor);
    expect(seen.size).toBe(400);
    expect(pages).toBeGreaterThan(1);
  });
});

describe("portfolios with a token for one portfolio", () => {
  it("reach that one, and nothing else is there for them", async () => {
    const userId = randomUUID();
    const [first, second] = [
      await as(userId).create({ name: "First" }),
      await as(userId).create({ name: "Second" }),
    ];
    const script = as(
      userId,
      principalOf(userId, { scopes: ["portfolios:read", "portfolios:write"], portfolioId: second.id }),
    );
    expect((await script.list()).items.map(({ id }) => id)).toEqual([second.id]);
    expect((await script.update(second.id, { name: "By script" })).name).toBe("By script");
    for (const attempt of [
      script.get(first.id),
      script.update(first.id, { name: "x" }),
      script.delete(first.id),
    ]) {
      await expect(attempt).rejects.toMatchObject({ type: "PORTFOLIO_NOT_FOUND" });
    }
    await expect(script.create({ name: "Third" })).rejects.toMatchObject({ type: "FORBIDDEN" });
  });
});

describe("portfolios.eraseUser", () => {
  it("deletes all of one user's portfolios and no others, and may be repeated", async () => {
    const [alice, bob] = [randomUUID(), randomUUID()];
    for (const userId of [alice, bob]) await as(userId).create({ name: "Main" });
    for (let time = 0; time < 2; time += 1) {
      expect(await services.callAs(undefined, "portfolios.eraseUser", { user_id: alice })).toBeNull();
    }
    expect((await as(alice).list()).items).toEqual([]);
    expect((await as(bob).list()).items).toHaveLength(1);
  });
});
