import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { inTransaction } from "../../../services/common/database/transaction.ts";
import { problem } from "../../../services/common/problem.ts";
import { type PoolGround, startPoolGround } from "./pools.ts";

let ground: PoolGround;
beforeAll(async () => {
  ground = await startPoolGround();
  await ground.database.query("create table facts (fact text primary key)");
});
afterAll(() => ground.stop());

/** A pool of one connection: whatever a transaction leaves behind, the next one would find. */
const ONE = { minConnections: 1, maxConnections: 1 } as const;

const insert = (fact: string) => ({ text: "insert into facts values ($1)", values: [fact] });
const facts = () => ground.database.query("select fact from facts order by fact");

describe("inTransaction", () => {
  it("keeps all or nothing, and its connection serves on", async () => {
    const { pool } = await ground.openPool(ONE);
    const kept = await inTransaction(pool, async (query) => {
      await query(insert("one"));
      return query<{ fact: string }>({ text: "select fact from facts" });
    });
    expect(kept).toEqual([{ fact: "one" }]);
    const refusal = problem("PRECONDITION_FAILED");
    const refused = inTransaction(pool, async (query) => {
      await query(insert("two"));
      throw refusal;
    });
    await expect(refused).rejects.toBe(refusal);
    const failed = inTransaction(pool, async (query) => {
      await query(insert("three"));
      await query(insert("one"));
    });
    await expect(failed).rejects.toMatchObject({ code: "23505", constraint: "facts_pkey" });
    expect(await facts()).toEqual([{ fact: "one" }]);
    expect(await pool.query({ text: "select 1 as one" })).toEqual([{ one: 1 }]);
    expect(pool.counts()).toMatchObject({ active: 0 });
  });

  it("fails with the connection, which is replaced", async () => {
    const test = await ground.openPool(ONE);
    const lost = inTransaction(test.pool, async (query) => {
      await query(insert("lost"));
      await test.terminateAll();
      await query(insert("never"));
    });
    await expect(lost).rejects.toThrow();
    expect(await test.pool.query({ text: "select 1 as one" })).toEqual([{ one: 1 }]);
    expect((await facts()).map(({ fact }) => fact)).not.toContain("lost");
  });
});
