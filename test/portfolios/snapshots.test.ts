import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Snapshot } from "../../services/portfolios/contract/snapshots.ts";
import { until } from "../common/database/pools.ts";
import { principalOf, type TestBroker } from "../support/broker.ts";
import { day, type SnapshotServices, snapshotsOf, someone, startSnapshots } from "./snapshot-services.ts";
import { LARGE, SMALL } from "./valued-services.ts";

let services: SnapshotServices;
let broker: TestBroker;
beforeAll(async () => {
  services = await startSnapshots();
  services.neighbours.know({ symbol: "BTC", price: "50000" });
  services.neighbours.know({ symbol: "TINY", price: SMALL });
  broker = await services.replica();
});
afterAll(() => services.stop());

/** Puts a snapshot back by so many days. */
async function age(snapshotId: string | undefined, days: number): Promise<void> {
  await services.database.query(
    "update portfolios.snapshots set snapshot_date = snapshot_date - $2::int where id = $1",
    [snapshotId, days],
  );
}

describe("portfolios.takeSnapshot", () => {
  it("keeps what is held now and what it is worth, exactly, without a construct before", async () => {
    const { user, id } = await someone(services, broker, ["BTC", "0.5"], ["TINY", LARGE], ["NEW", SMALL]);
    const before = Date.now();
    const taken = await user.take(id);
    expect(taken).toEqual({
      portfolio_id: id,
      snapshot_id: expect.any(String),
      success: true,
      holdings_count: 3,
      total_value_usd: "25001",
    });
    const snapshot = await user.latest(id);
    expect(Snapshot.parse(snapshot)).toEqual({
      id: taken.snapshot_id,
      portfolio_id: id,
      snapshot_date: day(),
      snapshot_type: "manual",
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
      metadata: {
        portfolio_name: "Main",
        allocation_as_of: expect.any(String),
        snapshot_time: snapshot.metadata?.allocation_as_of,
        created_at: snapshot.created_at,
      },
      created_at: expect.any(String),
    });
    expect(Date.parse(snapshot.metadata?.snapshot_time ?? "")).toBeGreaterThanOrEqual(before);
  });

  it("makes a copy that no later change touches", async () => {
    const { user, id, account } = await someone(services, broker, ["BTC", "1"]);
    await user.take(id);
    const before = await user.latest(id);
    services.neighbours.hold(account, [["BTC", "7"]]);
    await user.rename(id, "Other");
    await user.link(id, []);
    expect(await user.latest(id)).toEqual(before);
  });

  it("replaces the snapshot of the day and the type, and no other", async () => {
    const { user, id, account } = await someone(services, broker, ["BTC", "1"]);
    const first = await user.take(id);
    const endOfDay = await user.takeEndOfDay(id);
    await age(endOfDay.snapshot_id, 1);
    services.neighbours.hold(account, [["BTC", "2"]]);
    const second = await user.take(id);
    expect([second.snapshot_id, second.total_value_usd]).toEqual([first.snapshot_id, "100000"]);
    const { snapshots } = await user.list(id);
    expect(snapshots.map(({ snapshot_type, total_value_usd }) => [snapshot_type, total_value_usd])).toEqual([
      ["manual", "100000"],
      ["eod", "50000"],
    ]);
  });

  it("makes one of twenty at once, and each of them succeeds", async () => {
    const { user, id } = await someone(services, broker, ["BTC", "1"]);
    const taken = await Promise.all(Array.from({ length: 20 }, () => user.take(id)));
    expect(new Set(taken.map(({ snapshot_id }) => snapshot_id)).size).toBe(1);
    expect((await user.list(id)).total_count).toBe(1);
  });

  it("takes one of a portfolio without accounts, of nothing", async () => {
    const user = snapshotsOf(broker, randomUUID());
    const { id } = await user.portfolio();
    expect(await user.take(id)).toMatchObject({ success: true, holdings_count: 0, total_value_usd: "0" });
    expect((await user.latest(id)).holdings).toEqual([]);
  });

  it("tells of each", async () => {
    const { userId, user, id } = await someone(services, broker, ["BTC", "1"]);
    const taken = await user.take(id, { snapshot_type: "hourly" });
    const mine = () => services.told.filter(({ payload }) => payload.portfolio_id === id);
    await until(() => mine().length > 0);
    expect(mine()).toEqual([
      {
        event: "portfolios.snapshot_taken",
        payload: {
          portfolio_id: id,
          user_id: userId,
          snapshot_id: taken.snapshot_id,
          snapshot_date: day(),
          snapshot_type: "hourly",
          total_value_usd: "50000",
          snapshot_time: expect.any(String),
        },
      },
    ]);
  });

  it.each([day(1), day(-1), "1999-12-31"])("refuses another day than today, as %s", async (snapshot_date) => {
    const { user, id } = await someone(services, broker, ["BTC", "1"]);
    const refused = { type: "SNAPSHOT_DATE_NOT_TODAY" };
    await expect(user.take(id, { snapshot_date })).rejects.toMatchObject(refused);
    await expect(user.takeEndOfDay(id, { snapshot_date })).rejects.toMatchObject(refused);
    await expect(user.takeAll({ snapshot_date })).rejects.toMatchObject(refused);
    expect((await user.list(id)).snapshots).toEqual([]);
    expect(await user.take(id, { snapshot_date: day() })).toMatchObject({ success: true });
  });
});

describe("portfolios.takeAllSnapshots", () => {
  it("takes one of each of the caller's portfolios, also when one fails", async () => {
    const { userId, user, id } = await someone(services, broker, ["BTC", "1"]);
    const tooMuch = Array.from({ length: 20_001 }, (_, index) => [`A${index}`, "1"] as const);
    const { id: large } = await user.portfolio();
    const filling = services.neighbours.account(userId);
    await user.link(large, [filling]);
    services.neighbours.hold(filling, tooMuch);
    const { id: empty } = await user.portfolio();
    await someone(services, broker, ["BTC", "1"]);
    const all = await user.takeAll({ snapshot_type: "eod" });
    const expected = [
      [id, true, 1, "50000"],
      [large, false, 0, "0"],
      [empty, true, 0, "0"],
    ];
    expect([all.total, all.successful, all.failed]).toEqual([3, 2, 1]);
    expect(
      all.results.map((one) => [one.portfolio_id, one.success, one.holdings_count, one.total_value_usd]),
    ).toEqual(expected);
    expect(all.results[1]).toMatchObject({ error: expect.stringMatching(/^The portfolio's accounts hold/) });
    expect(all.results[1]).not.toHaveProperty("snapshot_id");
    expect((await user.list(large)).total_count).toBe(0);
  });

  it("answers nothing for who has none", async () => {
    const all = await snapshotsOf(broker, randomUUID()).takeAll();
    expect(all).toEqual({ total: 0, successful: 0, failed: 0, results: [] });
  });

  it("takes the one of a token for one portfolio", async () => {
    const { userId, user, id } = await someone(services, broker, ["BTC", "1"]);
    const { id: other } = await user.portfolio();
    const only = snapshotsOf(broker, userId, principalOf(userId, { portfolioId: id }));
    expect((await only.takeAll()).results.map(({ portfolio_id }) => portfolio_id)).toEqual([id]);
    const hidden = { type: "PORTFOLIO_NOT_FOUND" };
    for (const refused of [only.take(other), only.takeEndOfDay(other), only.list(other), only.latest(other)])
      await expect(refused).rejects.toMatchObject(hidden);
    expect((await user.list(other)).total_count).toBe(0);
  });

  it("refuses more portfolios than one request can take", async () => {
    const userId = randomUUID();
    await services.database.query(
      `insert into portfolios.portfolios (id, user_id, name)
       select gen_random_uuid(), $1, 'Many' from generate_series(1, 1001)`,
      [userId],
    );
    await expect(snapshotsOf(broker, userId).takeAll()).rejects.toMatchObject({
      type: "TOO_MANY_PORTFOLIOS",
    });
  });
});

describe("portfolios.listSnapshots", () => {
  it("answers the latest day first, of one day the newest, with both days of a filter", async () => {
    const { user, id } = await someone(services, broker, ["BTC", "1"]);
    for (const days of [3, 2, 1]) await age((await user.take(id)).snapshot_id, days);
    await age((await user.takeEndOfDay(id)).snapshot_id, 2);
    await user.take(id, { snapshot_type: "hourly" });
    const shown = async (members: object) => {
      const { snapshots, total_count } = await user.list(id, members);
      return [total_count, ...snapshots.map((one) => `${one.snapshot_date} ${one.snapshot_type}`)];
    };
    const all = [
      `${day()} hourly`,
      `${day(1)} manual`,
      `${day(2)} eod`,
      `${day(2)} manual`,
      `${day(3)} manual`,
    ];
    expect(await shown({})).toEqual([5, ...all]);
    expect(await shown({ start_date: day(2), end_date: day(1) })).toEqual([3, ...all.slice(1, 4)]);
    expect(await shown({ start_date: day(1) })).toEqual([2, ...all.slice(0, 2)]);
    expect(await shown({ end_date: day(2), snapshot_type: "manual" })).toEqual([2, ...all.slice(3)]);
    expect(await shown({ start_date: "9999-12-31" })).toEqual([0]);
    expect(await shown({ limit: 2 })).toEqual([5, ...all.slice(0, 2)]);
  });

  it("goes on page by page, and ends", async () => {
    const { user, id } = await someone(services, broker, ["BTC", "1"]);
    for (const days of [3, 2, 1, 0]) await age((await user.take(id)).snapshot_id, days);
    const days: string[] = [];
    for (let cursor: string | undefined, pages = 0; pages === 0 || cursor; pages += 1) {
      const page = await user.list(id, { limit: 2, ...(cursor && { cursor }) });
      expect(page.total_count).toBe(4);
      days.push(...page.snapshots.map(({ snapshot_date }) => snapshot_date));
      cursor = page.next_cursor;
    }
    expect(days).toEqual([day(), day(1), day(2), day(3)]);
  });

  it("answers no more than a message takes", async () => {
    const holdings = Array.from({ length: 4_000 }, (_, index) => [`ASSET${index}`, "1"] as const);
    const { user, id } = await someone(services, broker, ...holdings);
    for (const days of [3, 2, 1, 0]) await age((await user.take(id)).snapshot_id, days);
    const page = await user.list(id);
    expect(page.total_count).toBe(4);
    expect(page.snapshots).toHaveLength(1);
    const rest = await user.list(id, { cursor: page.next_cursor });
    expect(rest.snapshots[0]?.snapshot_date).toBe(day(1));
  });

  it("refuses days in the wrong order, and cursors that are none of its own", async () => {
    const { user, id } = await someone(services, broker, ["BTC", "1"]);
    await expect(user.list(id, { start_date: day(), end_date: day(1) })).rejects.toMatchObject({
      type: "SNAPSHOT_DATES_REVERSED",
      data: { errors: [{ pointer: "/start_date", detail: expect.any(String) }] },
    });
    const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const now = new Date().toISOString();
    for (const cursor of [
      "?",
      forged([day(), now]),
      forged([day(), now, "1"]),
      forged(["0000-01-01", now, id]),
    ])
      await expect(user.list(id, { cursor })).rejects.toMatchObject({ type: "VALIDATION_FAILED" });
  });
});

describe("portfolios.latestSnapshot", () => {
  it("says that there is none yet", async () => {
    const { user, id } = await someone(services, broker, ["BTC", "1"]);
    await expect(user.latest(id)).rejects.toMatchObject({ type: "SNAPSHOT_NOT_FOUND" });
  });

  it("answers that of the latest day, however new others are", async () => {
    const { user, id } = await someone(services, broker, ["BTC", "1"]);
    await user.take(id);
    await age((await user.takeEndOfDay(id)).snapshot_id, 1);
    expect((await user.latest(id)).snapshot_type).toBe("manual");
  });
});

describe("snapshots of others", () => {
  it("are as if there were none", async () => {
    const { id } = await someone(services, broker, ["BTC", "1"]);
    const stranger = snapshotsOf(broker, randomUUID());
    const calls = [stranger.take, stranger.takeEndOfDay, stranger.list, stranger.latest];
    for (const call of calls) {
      const [there, nowhere] = await Promise.allSettled([call(id), call(randomUUID())]);
      expect(there.status).toBe("rejected");
      expect({ ...(there as PromiseRejectedResult).reason }).toEqual({
        ...(nowhere as PromiseRejectedResult).reason,
      });
    }
  });
});

describe("portfolios.exportSnapshots and the deletion of a portfolio", () => {
  it("have all of a user's snapshots, and leave none", async () => {
    const { userId, user, id } = await someone(services, broker, ["BTC", "1"]);
    await user.take(id);
    await user.takeEndOfDay(id);
    const exported = () =>
      broker.callAs<{ items: Snapshot[] }>(undefined, "portfolios.exportSnapshots", { user_id: userId });
    const { items } = await exported();
    expect(items.map((item) => Snapshot.parse(item).snapshot_type)).toEqual(["manual", "eod"]);
    await user.delete(id);
    expect(await exported()).toEqual({ items: [] });
  });
});
