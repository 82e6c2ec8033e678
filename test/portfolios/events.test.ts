import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Portfolio } from "../../services/portfolios/contract/portfolio.ts";
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

const call = <Result>(userId: string, action: string, params: object) =>
  services.callAs<Result>(principalOf(userId), `portfolios.${action}`, params);

/** What is stored about a user's portfolios, in its order. */
async function toldOf(userId: string): Promise<string[][]> {
  const rows = await database.query<{ event: string; aggregate_id: string; payload: object }>(
    "select event, aggregate_id, payload from portfolios.outbox where payload->>'user_id' = $1 order by position",
    [userId],
  );
  for (const { aggregate_id, payload } of rows) {
    expect(payload).toEqual({ portfolio_id: aggregate_id, user_id: userId });
  }
  return rows.map(({ event, aggregate_id }) => [event, aggregate_id]);
}

describe("what happens to a portfolio", () => {
  it("is stored as its events, with the change", async () => {
    const userId = randomUUID();
    const { id } = await call<Portfolio>(userId, "create", { name: "One" });
    await call(userId, "update", { id, name: "Two" });
    await call(userId, "delete", { id });
    expect(await toldOf(userId)).toEqual([
      ["portfolios.created", id],
      ["portfolios.updated", id],
      ["portfolios.deleted", id],
    ]);
  });

  it("includes that another has become the default", async () => {
    const userId = randomUUID();
    const first = await call<Portfolio>(userId, "create", { name: "First" });
    const second = await call<Portfolio>(userId, "create", { name: "Second", is_default: true });
    await call(userId, "update", { id: first.id, is_default: true });
    expect(await toldOf(userId)).toEqual([
      ["portfolios.created", first.id],
      ["portfolios.updated", first.id],
      ["portfolios.created", second.id],
      ["portfolios.updated", second.id],
      ["portfolios.updated", first.id],
    ]);
  });

  it("is not stored when it is refused", async () => {
    const [owner, other] = [randomUUID(), randomUUID()];
    const { id } = await call<Portfolio>(owner, "create", { name: "Mine" });
    await expect(call(other, "delete", { id })).rejects.toThrow();
    await expect(call(owner, "update", { id, name: "New", if_match: 7 })).rejects.toThrow();
    await expect(call(owner, "create", { name: "x", target_allocation: { BTC: 1 } })).rejects.toThrow();
    expect(await toldOf(owner)).toEqual([["portfolios.created", id]]);
    expect(await toldOf(other)).toEqual([]);
  });

  it("is stored once for each portfolio when many first ones are created at once, and when all are erased", async () => {
    const userId = randomUUID();
    const created = await Promise.all(
      Array.from({ length: 20 }, (_, index) => call<Portfolio>(userId, "create", { name: `${index}` })),
    );
    const ids = created.map(({ id }) => id).toSorted();
    await services.callAs(undefined, "portfolios.eraseUser", { user_id: userId });
    await services.callAs(undefined, "portfolios.eraseUser", { user_id: userId });
    const told = await toldOf(userId);
    for (const event of ["portfolios.created", "portfolios.deleted"]) {
      expect(told.flatMap(([name, id]) => (name === event ? [id] : [])).toSorted()).toEqual(ids);
    }
  });
});

describe("portfolios.accountDeleted", () => {
  it("removes the account from all portfolios of its user, and from nobody else's", async () => {
    const [userId, stranger] = [randomUUID(), randomUUID()];
    const [accountId, otherAccount] = [randomUUID(), randomUUID()];
    const mine = await Promise.all([1, 2].map(() => call<Portfolio>(userId, "create", { name: "Mine" })));
    const theirs = await call<Portfolio>(stranger, "create", { name: "Theirs" });
    const link = (portfolioId: string, account: string, user: string) =>
      database.query(
        "insert into portfolios.portfolio_accounts (id, portfolio_id, account_id, user_id) values ($1, $2, $3, $4)",
        [randomUUID(), portfolioId, account, user],
      );
    for (const { id } of mine) await link(id, accountId, userId);
    await link(theirs.id, otherAccount, stranger);
    const event = {
      event_id: randomUUID(),
      event: "accounts.deleted",
      aggregate_id: accountId,
      occurred_at: new Date().toISOString(),
      sequence: 1,
      payload: { account_id: accountId, user_id: userId },
    };
    await services.callAs(undefined, "portfolios.accountDeleted", event);
    expect(await services.callAs(undefined, "portfolios.accountDeleted", event)).toBeNull();
    const left = await database.query<{ account_id: string }>(
      "select account_id from portfolios.portfolio_accounts",
    );
    expect(left).toEqual([{ account_id: otherAccount }]);
  });
});
