import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { databaseProblem } from "../../../services/common/database/errors.ts";
import { retryConflicts, retryLostRaces } from "../../../services/common/database/retry.ts";
import { inTransaction, type Query } from "../../../services/common/database/transaction.ts";
import { cloneDatabase, type TestDatabase } from "../../support/database.ts";
import { pause, startPoolGround } from "./pools.ts";

/** A transaction that fails so many times in this way before it succeeds. */
function failing(times: number, error: unknown) {
  const transaction = async () => {
    transaction.runs += 1;
    if (transaction.runs <= times) throw error;
    return "done";
  };
  transaction.runs = 0;
  return transaction;
}

describe("retryLostRaces", () => {
  it.each(["23505", "40001", "40P01"])("runs a transaction again that lost a race (%s)", async (code) => {
    const transaction = failing(3, { code });
    await expect(retryLostRaces(transaction)).resolves.toBe("done");
    expect(transaction.runs).toBe(4);
  });

  it("gives up after four times, with the error", async () => {
    const error = { code: "40001" };
    const transaction = failing(10, error);
    await expect(retryLostRaces(transaction)).rejects.toBe(error);
    expect(transaction.runs).toBe(4);
  });

  it.each([{ code: "23503" }, { code: "57P01" }, new Error("other"), undefined, null])(
    "runs nothing again for %p",
    async (error) => {
      const transaction = failing(10, error);
      await expect(retryLostRaces(transaction)).rejects.toBe(error);
      expect(transaction.runs).toBe(1);
    },
  );
});

describe("retryConflicts", () => {
  it("leaves a value that is there already to its caller", async () => {
    const error = { code: "23505" };
    const transaction = failing(1, error);
    await expect(retryConflicts(transaction)).rejects.toBe(error);
    expect(transaction.runs).toBe(1);
  });

  it("tries three times more in all, also within another", async () => {
    const transaction = failing(10, { code: "40P01" });
    await expect(retryLostRaces(() => retryConflicts(transaction))).rejects.toEqual({ code: "40P01" });
    expect(transaction.runs).toBe(4);
  });
});

describe("transactions that stand in each other's way", () => {
  it("succeed all, those that PostgreSQL sent away at another attempt", async () => {
    const ground = await startPoolGround();
    try {
      await ground.database.query("create table pairs (id int primary key, count int not null default 0)");
      await ground.database.query("insert into pairs values (1), (2)");
      const { pool } = await ground.openPool();
      let attempts = 0;
      const increment = async (query: Query, id: number) => {
        await query({ text: "update pairs set count = count + 1 where id = $1", values: [id] });
      };
      const both = (first: number, second: number) =>
        retryLostRaces(() =>
          inTransaction(pool, async (query) => {
            attempts += 1;
            await increment(query, first);
            await pause(50);
            await increment(query, second);
          }),
        );
      await Promise.all([both(1, 2), both(2, 1)]);
      expect(attempts).toBeGreaterThan(2);
      const counts = await ground.database.query("select count from pairs");
      expect(counts).toEqual([{ count: 2 }, { count: 2 }]);
    } finally {
      await ground.stop();
    }
  });

  it("are left out of a single statement's caller's sight, too", async () => {
    const ground = await startPoolGround();
    try {
      await ground.database.query("create sequence attempts");
      await ground.database.query(`create function conflict() returns bigint language plpgsql as $$
        declare attempt bigint := nextval('attempts');
        begin
          if attempt < 4 then raise exception 'conflict' using errcode = '40001'; end if;
          return attempt;
        end $$`);
      const { pool } = await ground.openPool();
      await expect(pool.query({ text: "select conflict()::int as attempt" })).resolves.toEqual([
        { attempt: 4 },
      ]);
      expect(pool.counts()).toMatchObject({ active: 0, waiting: 0 });
    } finally {
      await ground.stop();
    }
  });
});

describe("databaseProblem", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await cloneDatabase();
  });
  afterAll(() => database.drop());

  it.each([
    ["select pg_terminate_backend(pg_backend_pid())", "DATABASE_UNAVAILABLE"],
    ["set statement_timeout = 10; select pg_sleep(5)", "DEADLINE_EXCEEDED"],
    ["set transaction_read_only = on; create table t (id int)", "DATABASE_UNAVAILABLE"],
    ["do $$ begin raise exception 'full' using errcode = '53100'; end $$", "DATABASE_UNAVAILABLE"],
    ["do $$ begin raise exception 'starting' using errcode = '57P03'; end $$", "DATABASE_UNAVAILABLE"],
    ["do $$ begin raise exception 'conflict' using errcode = '40001'; end $$", "DATABASE_UNAVAILABLE"],
    ["select nonsense", undefined],
    ["select 1 / 0", undefined],
  ])("knows what the server means by the error of: %s", async (sql, problem) => {
    const error = await database.query(sql).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeDefined();
    expect(databaseProblem(error)).toBe(problem);
  });

  it.each([
    [{ code: "ECONNREFUSED" }, "DATABASE_UNAVAILABLE"],
    [{ code: "ECONNRESET" }, "DATABASE_UNAVAILABLE"],
    [{ code: "EAI_AGAIN" }, "DATABASE_UNAVAILABLE"],
    [{ code: "ENETUNREACH" }, "DATABASE_UNAVAILABLE"],
    [new Error("Connection terminated unexpectedly"), "DATABASE_UNAVAILABLE"],
    [new Error("Query read timeout"), "DATABASE_UNAVAILABLE"],
    [new Error("timeout expired"), "DATABASE_UNAVAILABLE"],
    [new Error("Client has encountered a connection error and is not queryable"), "DATABASE_UNAVAILABLE"],
    [new TypeError("Cannot read properties of undefined"), undefined],
    [{ code: "ENOENT" }, undefined],
    [{ code: 57 }, undefined],
    [undefined, undefined],
    [null, undefined],
  ])("takes %p for %p", (error, problem) => {
    expect(databaseProblem(error)).toBe(problem);
  });
});
