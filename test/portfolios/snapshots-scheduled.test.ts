import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { pause, until } from "../common/database/pools.ts";
import { day, type SnapshotServices, snapshotsOf, someone, startSnapshots } from "./snapshot-services.ts";

let services: SnapshotServices;
beforeEach(async () => {
  services = await startSnapshots();
  services.neighbours.know({ symbol: "BTC", price: "50000" });
  services.neighbours.know({ symbol: "ETH", price: "2000" });
});
afterEach(() => services.stop());

interface Stored {
  readonly portfolio_id: string;
  readonly snapshot_date: string;
  readonly snapshot_type: string;
  readonly valued_at: Date;
}

function stored(): Promise<Stored[]> {
  return services.database.query<Stored & Record<string, unknown>>(
    `select portfolio_id, snapshot_date::text, snapshot_type, valued_at from portfolios.snapshots
     order by portfolio_id, snapshot_type`,
  );
}

/** As the schedule does it. */
async function plan(type: "Hourly" | "EndOfDay", due: Date): Promise<void> {
  await services.database.query(
    `select from portfolios_jobs.add_job('plan' || $1 || 'Snapshots', json_build_object('due', $2::text))`,
    [type, due.toISOString()],
  );
}

function jobs(): Promise<{ attempts: number; last_error: string | null }[]> {
  return services.database.query(
    "select attempts, last_error from portfolios_jobs._private_jobs order by id",
  );
}

async function untilDone(): Promise<void> {
  await until(async () => (await jobs()).length === 0);
}

/** So many portfolios with an account that holds one BTC; and their ids. */
async function portfoliosWithAccount(count: number): Promise<string[]> {
  const userId = randomUUID();
  const account = services.neighbours.account(userId, [["BTC", "1"]]);
  const rows = await services.database.query<{ id: string }>(
    `with made as (
       insert into portfolios.portfolios (id, user_id, name)
       select gen_random_uuid(), $1, 'Main' from generate_series(1, $2) returning id
     )
     insert into portfolios.portfolio_accounts (id, portfolio_id, account_id, user_id)
     select gen_random_uuid(), id, $3, $1 from made returning portfolio_id as id`,
    [userId, count, account],
  );
  return rows.map(({ id }) => id).sort();
}

describe("snapshots by schedule", () => {
  it("are taken once of each portfolio with accounts, over all replicas, and told of once", async () => {
    const ids = await portfoliosWithAccount(120);
    const [broker] = await Promise.all([services.replica(), services.replica()]);
    await snapshotsOf(broker, randomUUID()).portfolio();
    const due = new Date();
    await plan("EndOfDay", due);
    await plan("EndOfDay", due);
    await until(async () => (await stored()).length >= ids.length);
    await untilDone();
    const rows = await stored();
    expect(rows.map(({ portfolio_id }) => portfolio_id)).toEqual(ids);
    for (const row of rows) expect(row).toMatchObject({ snapshot_date: day(), snapshot_type: "eod" });
    await until(() => services.told.length >= ids.length);
    const told = services.told.map(({ payload }) => payload.portfolio_id as string);
    expect(told.sort()).toEqual(ids);

    // A job that ran, and whose end nobody noted, runs again.
    await plan("EndOfDay", due);
    await untilDone();
    expect(await stored()).toEqual(rows);
  });

  it("are planned in batches of fifty portfolios, and go on with another plan where there are many", async () => {
    await portfoliosWithAccount(5_001);
    // Nobody tells what is in the accounts: the batches stay, each with what came to nothing.
    await services.replica(undefined, true);
    await plan("Hourly", new Date());
    const isTried = async () => {
      await pause(100);
      const batches = await jobs();
      return batches.length === 101 && batches.every(({ last_error }) => last_error !== null);
    };
    await until(isTried, 25_000);
    const counts = (await jobs()).map(({ last_error }) => Number.parseInt(last_error ?? "", 10));
    expect(counts.sort((one, other) => one - other)).toEqual([1, ...new Array(100).fill(50)]);
  });

  it("replace those that were taken before they were due, and leave later ones", async () => {
    const broker = await services.replica();
    const early = await someone(services, broker, ["BTC", "1"]);
    await early.user.takeEndOfDay(early.id);
    const due = new Date();
    const late = await someone(services, broker, ["BTC", "1"]);
    await late.user.takeEndOfDay(late.id);
    services.neighbours.hold(early.account, [["BTC", "3"]]);
    services.neighbours.hold(late.account, [["BTC", "3"]]);
    await plan("EndOfDay", due);
    await until(async () => (await early.user.latest(early.id)).total_value_usd === "150000");
    await untilDone();
    expect((await late.user.latest(late.id)).total_value_usd).toBe("50000");
    expect(await stored()).toHaveLength(2);
  });

  it("are taken late for the day that they were due on, and say when they were valued", async () => {
    const ids = await portfoliosWithAccount(1);
    await services.replica();
    const due = new Date(Date.now() - 11 * 3_600_000);
    const before = Date.now();
    await plan("EndOfDay", due);
    await until(async () => (await stored()).length === 1);
    const [row] = await stored();
    expect(row).toMatchObject({ portfolio_id: ids[0], snapshot_date: due.toISOString().slice(0, 10) });
    expect(row?.valued_at.getTime()).toBeGreaterThanOrEqual(before);
  });

  it("are not taken when it is too late to say what was worth what", async () => {
    await portfoliosWithAccount(1);
    await services.replica();
    await plan("EndOfDay", new Date(Date.now() - 13 * 3_600_000));
    await plan("Hourly", new Date(Date.now() - 2 * 3_600_000));
    await untilDone();
    expect(await stored()).toEqual([]);
  });

  it("are attempted again when accounts cannot be reached, and only what is missing is taken", async () => {
    await portfoliosWithAccount(3);
    const alone = await services.replica(undefined, true);
    await plan("EndOfDay", new Date());
    await until(async () => (await jobs()).some(({ last_error }) => last_error !== null));
    expect((await jobs())[0]?.last_error).toMatch(/^3 snapshots could not be taken/);
    await alone.stop();
    await services.replica();
    await services.database.query("update portfolios_jobs._private_jobs set run_at = now()");
    await until(async () => (await stored()).length === 3);
    await untilDone();
  });

  it("pass over a portfolio that holds too much for one", async () => {
    const broker = await services.replica();
    const { account } = await someone(services, broker);
    const { id } = await someone(services, broker, ["BTC", "1"]);
    const tooMuch = Array.from({ length: 20_001 }, (_, index) => [`A${index}`, "1"] as const);
    services.neighbours.hold(account, tooMuch);
    await plan("EndOfDay", new Date());
    await until(async () => (await stored()).length === 1);
    await untilDone();
    expect((await stored())[0]?.portfolio_id).toBe(id);
  });

  it("find a drift that nobody has looked for, hourly, and tell of it once", async () => {
    const broker = await services.replica();
    const { user, id } = await someone(services, broker, ["BTC", "1"], ["ETH", "1"]);
    await services.database.query(
      `update portfolios.portfolios set target_allocation = '{"BTC": 50, "ETH": 50}' where id = $1`,
      [id],
    );
    const breaches = () => services.told.filter(({ event }) => event === "portfolios.drift_breached");
    await plan("Hourly", new Date());
    await until(() => breaches().length > 0);
    const [first] = (await user.list(id)).snapshots;
    await plan("Hourly", new Date());
    await until(async () => (await user.latest(id)).created_at !== first?.created_at);
    await untilDone();
    await until(() => services.told.length === 3);
    expect(breaches()).toHaveLength(1);
    expect(breaches()[0]?.payload).toMatchObject({ portfolio_id: id });
  });
});

describe("the schedules", () => {
  /** Every day at the minute of a moment, with seconds. */
  const at = (moment: Date) => `0 ${moment.getUTCMinutes()} ${moment.getUTCHours()} * * *`;

  it("catch up after a stop with what was missed, once, on however many replicas", async () => {
    const ids = await portfoliosWithAccount(2);
    const due = new Date(Date.now() - 600_000);
    due.setUTCSeconds(0, 0);
    const environment = { EOD_SNAPSHOT_SCHEDULE: at(due), HOURLY_SNAPSHOT_ENABLED: "false" };
    await (await services.replica(environment)).stop();
    expect(await stored()).toEqual([]);
    await services.database.query(
      `update portfolios_jobs._private_known_crontabs
       set known_since = now() - interval '3 days', last_execution = now() - interval '2 hours'`,
    );
    await Promise.all([services.replica(environment), services.replica(environment)]);
    await until(async () => (await stored()).length === ids.length);
    await untilDone();
    expect(await stored()).toEqual(
      ids.map((portfolio_id) => ({
        portfolio_id,
        snapshot_date: due.toISOString().slice(0, 10),
        snapshot_type: "eod",
        valued_at: expect.any(Date),
      })),
    );
    await until(() => services.told.length >= ids.length);
    expect(services.told).toHaveLength(ids.length);
  });

  it("are both there unless they are switched off", async () => {
    const known = async () => {
      const rows = await services.database.query<{ identifier: string }>(
        "select identifier from portfolios_jobs._private_known_crontabs order by identifier",
      );
      return rows.map(({ identifier }) => identifier);
    };
    await services.replica();
    await until(async () => (await known()).length > 0);
    expect(await known()).toEqual(["pruneSnapshots"]);
    await services.replica({});
    await until(async () => (await known()).length > 1);
    expect(await known()).toEqual(["planEndOfDaySnapshots", "planHourlySnapshots", "pruneSnapshots"]);
  });

  it("forget hourly snapshots after some days, and no others", async () => {
    const broker = await services.replica({ HOURLY_SNAPSHOT_DAYS: "2", EOD_SNAPSHOT_ENABLED: "false" });
    const { user, id } = await someone(services, broker, ["BTC", "1"]);
    for (const snapshot_type of ["hourly", "eod"]) {
      for (const ago of [3, 2, 1, 0]) {
        const { snapshot_id } = await user.take(id, { snapshot_type });
        const back = "update portfolios.snapshots set snapshot_date = snapshot_date - $2::int where id = $1";
        await services.database.query(back, [snapshot_id, ago]);
      }
    }
    await services.database.query("select from portfolios_jobs.add_job('pruneSnapshots')");
    await until(async () => (await stored()).length < 8);
    await untilDone();
    const kept = (await user.list(id)).snapshots.map((one) => `${one.snapshot_date} ${one.snapshot_type}`);
    expect(kept).toEqual([
      `${day()} eod`,
      `${day()} hourly`,
      `${day(1)} eod`,
      `${day(1)} hourly`,
      `${day(2)} eod`,
      `${day(3)} eod`,
    ]);
  });
});

describe("the settings", () => {
  it.each([
    ["EOD_SNAPSHOT_SCHEDULE", "0 23 * * *"],
    ["HOURLY_SNAPSHOT_SCHEDULE", "5 0 * * * *"],
    ["EOD_SNAPSHOT_ENABLED", "yes"],
    ["HOURLY_SNAPSHOT_DAYS", "0"],
  ])("stop the start where %s is %s", async (name, value) => {
    await expect(services.replica({ [name]: value })).rejects.toThrow(name);
  });
});
