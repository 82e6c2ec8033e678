import { hash, randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Writing } from "../../services/common/database/writing.ts";
import type { Claim } from "../../services/common/idempotency/claim.ts";
import { eraseKeys, keyStore } from "../../services/common/idempotency/store.ts";
import { openIdempotency } from "../../services/common/idempotency.ts";
import { problem } from "../../services/common/problem.ts";
import { type PoolGround, pause, startPoolGround, until } from "./database/pools.ts";

/** Longer than anything here takes, unless something waits for ever. */
const WAIT_MS = 8_000;
const SERVICE = "portfolios";

let ground: PoolGround;
beforeAll(async () => {
  ground = await startPoolGround();
  await ground.database.query("create table effects (name text not null, number int not null)");
  await ground.database.query("create table gates (name text primary key, number int not null default 0)");
});
afterAll(() => ground.stop());

/** One connection, because nobody may need a second one while holding the first. */
async function replica() {
  const { pool } = await ground.openPool({ maxConnections: 1, minConnections: 1 });
  const warnings: unknown[] = [];
  const warn = (...message: readonly unknown[]) => void warnings.push(message);
  const log = { info: () => undefined, warn, error: warn };
  return { pool, warnings, ...openIdempotency({ service: SERVICE, pool, log }) };
}

const replicas = (count: number) => Promise.all(Array.from({ length: count }, replica));

/** Two that know of each other only by the database. */
async function pair() {
  return [await replica(), await replica()] as const;
}

function newClaim(changes: Partial<Claim> = {}): Claim {
  return {
    userId: randomUUID(),
    action: "portfolios.create",
    key: randomBytes(32),
    body: randomBytes(32),
    seal: undefined,
    ...changes,
  };
}

/** Work with an effect that can be counted. */
const effectOf =
  (name: string, number = 1) =>
  async ({ query }: Writing) => {
    await query({ text: "insert into effects values ($1, $2)", values: [name, number] });
    return { id: randomUUID(), amount: "1.10", nothing: null };
  };

async function effects(name: string): Promise<number[]> {
  const sql = "select number from effects where name = $1 order by number";
  return (await ground.database.query<{ number: number }>(sql, [name])).map(({ number }) => number);
}

interface KeyRow {
  readonly done: Buffer | null;
  readonly result: Buffer | null;
}

function rowsOf({ userId }: Claim): Promise<KeyRow[]> {
  const sql = "select done, result from portfolios.idempotency_keys where user_id = $1";
  return ground.database.query<KeyRow & Record<string, unknown>>(sql, [userId]);
}

describe("without a key", () => {
  it("work is done each time, and nothing is remembered", async () => {
    const { plain } = await replica();
    const name = randomUUID();
    const countOf = "select count(*)::int as count from portfolios.idempotency_keys";
    const [before] = await ground.database.query(countOf);
    const [one, other] = [await plain(effectOf(name)), await plain(effectOf(name))];
    expect(one).not.toEqual(other);
    expect(await plain.of("part")(effectOf(name), async ({ amount }) => amount)).toBe("1.10");
    expect(await effects(name)).toEqual([1, 1, 1]);
    expect(await ground.database.query(countOf)).toEqual([before]);
  });
});

describe("repeats with a key", () => {
  it("have one effect and one answer, a hundred at once on three replicas, each with one connection", async () => {
    const all = await replicas(3);
    const [claim, name] = [newClaim(), randomUUID()];
    const repeat = (index: number) => all[index % 3]?.keyed(claim, WAIT_MS)(effectOf(name));
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => repeat(index)));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toEqual({ id: expect.any(String), amount: "1.10", nothing: null });
    expect(await effects(name)).toEqual([1]);
    expect(JSON.stringify(await repeat(0))).toBe(JSON.stringify(answers[0]));
  });

  it("have the result null as any other", async () => {
    const { keyed } = await replica();
    const [claim, name] = [newClaim(), randomUUID()];
    const work = async (db: Writing) => effectOf(name)(db).then(() => null);
    expect([await keyed(claim, WAIT_MS)(work), await keyed(claim, WAIT_MS)(work)]).toEqual([null, null]);
    expect(await effects(name)).toEqual([1]);
  });

  it("are remembered when there was nothing to write", async () => {
    const { keyed } = await replica();
    const claim = newClaim();
    let count = 0;
    const work = async () => ++count;
    expect([await keyed(claim, WAIT_MS)(work), await keyed(claim, WAIT_MS)(work)]).toEqual([1, 1]);
  });

  it("are another request for another user, another action, another key", async () => {
    const { keyed } = await replica();
    const [claim, name] = [newClaim(), randomUUID()];
    const others = [{ userId: randomUUID() }, { action: "portfolios.construct" }, { key: randomBytes(32) }];
    for (const [index, changes] of [{}, ...others].entries()) {
      await keyed({ ...claim, ...changes }, WAIT_MS)(effectOf(name, index));
    }
    await keyed(claim, WAIT_MS).of("part")(effectOf(name, 4));
    await keyed(claim, WAIT_MS).of("part")(effectOf(name, 4));
    expect(await effects(name)).toEqual([0, 1, 2, 3, 4]);
  });

  it("are refused when the body is another, also while the first is under way", async () => {
    const [one, other] = await pair();
    const [claim, name] = [newClaim(), randomUUID()];
    const gate = Promise.withResolvers<void>();
    const slow = async (db: Writing) => {
      const result = await effectOf(name)(db);
      await gate.promise;
      return result;
    };
    const first = one.keyed(claim, WAIT_MS)(slow);
    const changed = { ...claim, body: randomBytes(32) };
    const refusal = { type: "IDEMPOTENCY_KEY_REUSED" };
    await expect(one.keyed(changed, WAIT_MS)(effectOf(name, 2))).rejects.toMatchObject(refusal);
    await until(async () => (await lockHolders()) > 0);
    const waiting = other.keyed(changed, WAIT_MS)(effectOf(name, 3));
    gate.resolve();
    await first;
    await expect(waiting).rejects.toMatchObject(refusal);
    await expect(one.keyed(changed, WAIT_MS)(effectOf(name, 4))).rejects.toMatchObject(refusal);
    expect(await effects(name)).toEqual([1]);
  });
});

/** How many transactions are in between their first write and their end. */
async function lockHolders(): Promise<number> {
  const [row] = await ground.database.query<{ count: number }>(
    `select count(*)::int from pg_stat_activity
     where application_name like 'pool-%' and datname = current_database() and backend_xid is not null`,
  );
  return row?.count ?? 0;
}

describe("work that fails", () => {
  it("leaves nothing behind, so that the key may be used again, with another body too", async () => {
    const { keyed } = await replica();
    const [claim, name] = [newClaim(), randomUUID()];
    const failing = async (db: Writing) => {
      await effectOf(name)(db);
      throw problem("PORTFOLIO_NOT_FOUND");
    };
    for (const body of [claim.body, randomBytes(32)]) {
      const failed = keyed({ ...claim, body }, WAIT_MS)(failing);
      await expect(failed).rejects.toMatchObject({ type: "PORTFOLIO_NOT_FOUND" });
    }
    expect([await effects(name), await rowsOf(claim)]).toEqual([[], []]);
    await keyed(claim, WAIT_MS)(effectOf(name));
    expect(await effects(name)).toEqual([1]);
  });

  it("leaves the key to whoever waits for it on another replica", async () => {
    const [one, other] = await pair();
    const [claim, name] = [newClaim(), randomUUID()];
    const gate = Promise.withResolvers<void>();
    const failing = one.keyed(
      claim,
      WAIT_MS,
    )(async (db) => {
      await effectOf(name)(db);
      await gate.promise;
      throw problem("PORTFOLIO_NOT_FOUND");
    });
    const refused = expect(failing).rejects.toMatchObject({ type: "PORTFOLIO_NOT_FOUND" });
    await until(async () => (await lockHolders()) > 0);
    const waiting = other.keyed(claim, WAIT_MS)(effectOf(name, 2));
    await pause(50);
    gate.resolve();
    await refused;
    await waiting;
    expect(await effects(name)).toEqual([2]);
  });

  it("is done again, whole, when it lost a race", async () => {
    const { keyed } = await replica();
    const [claim, name] = [newClaim(), randomUUID()];
    let attempts = 0;
    await keyed(
      claim,
      WAIT_MS,
    )(async (db) => {
      attempts += 1;
      const result = await effectOf(name, attempts)(db);
      if (attempts < 3) await db.query({ text: "do $$ begin raise sqlstate '40001'; end $$" });
      return result;
    });
    expect([attempts, await effects(name)]).toEqual([3, [3]]);
  });
});

describe("a request that is still under way", () => {
  it("is waited for no longer than said, and work has no such limit on its own waits", async () => {
    const [one, other] = await pair();
    const [claim, name] = [newClaim(), randomUUID()];
    const gate = Promise.withResolvers<void>();
    const first = one.keyed(
      claim,
      WAIT_MS,
    )(async (db) => {
      const result = await effectOf(name)(db);
      await gate.promise;
      return result;
    });
    await until(async () => (await lockHolders()) > 0);
    const inUse = { type: "IDEMPOTENCY_KEY_IN_USE" };
    await expect(other.keyed(claim, 100)(effectOf(name))).rejects.toMatchObject(inUse);
    await expect(one.keyed(claim, 100)(effectOf(name))).rejects.toMatchObject(inUse);
    gate.resolve();
    await first;
    expect(await other.keyed(claim, 100)(effectOf(name))).toEqual(await first);
    expect(await effects(name)).toEqual([1]);

    const release = await ground.database.lock("gates");
    const waiting = other.keyed(
      newClaim(),
      100,
    )(({ query }) => query({ text: "insert into gates values ($1)", values: [name] }));
    await pause(400);
    await release();
    expect(await waiting).toEqual([]);
  });
});

describe("a request that is given up", () => {
  it.each<[string, Error]>([
    ["its time is up", problem("DEADLINE_EXCEEDED")],
    ["its statement was cancelled", Object.assign(new Error("cancelled"), { code: "57014" })],
  ])("leaves the work to one of its repeats in the same process: %s", async (_, fault) => {
    const { keyed } = await replica();
    const [claim, name] = [newClaim(), randomUUID()];
    const gate = Promise.withResolvers<void>();
    const first = keyed(
      claim,
      WAIT_MS,
    )(async (db) => {
      await effectOf(name)(db);
      await gate.promise;
      throw fault;
    });
    const refused = expect(first).rejects.toBe(fault);
    const repeats = Array.from({ length: 10 }, (_, index) =>
      keyed(claim, WAIT_MS)(effectOf(name, index + 2)),
    );
    gate.resolve();
    await refused;
    expect(new Set((await Promise.all(repeats)).map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(await effects(name)).toHaveLength(1);
  });
});

describe("a reply that takes more than the transaction", () => {
  it("is made once the transaction has ended, and made again of the same after a failure", async () => {
    const [one, other] = await pair();
    const [claim, name] = [newClaim(), randomUUID()];
    const made: unknown[] = [];
    const failing = one.keyed(claim, WAIT_MS)(effectOf(name), async (done) => {
      made.push(done, await effects(name));
      throw problem("DATABASE_UNAVAILABLE");
    });
    await expect(failing).rejects.toMatchObject({ type: "DATABASE_UNAVAILABLE" });
    const reply = await other.keyed(claim, WAIT_MS)(effectOf(name), async (done) => ({ of: done }));
    expect(made).toEqual([expect.objectContaining({ amount: "1.10" }), [1]]);
    expect(reply).toEqual({ of: made[0] });
    expect(await effects(name)).toEqual([1]);
  });

  it("is the first one's for all, although several replicas made one", async () => {
    const all = await replicas(3);
    const [claim, name] = [newClaim(), randomUUID()];
    let count = 0;
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        all[index % 3]?.keyed(claim, WAIT_MS)(effectOf(name), async () => {
          const number = ++count;
          await pause(50);
          return number;
        }),
      ),
    );
    expect(new Set(answers).size).toBe(1);
    expect(count).toBeLessThanOrEqual(3);
    expect(await effects(name)).toEqual([1]);
  });

  it("is in use when it takes longer than a repeat may wait, and is there later", async () => {
    const { keyed } = await replica();
    const [claim, name] = [newClaim(), randomUUID()];
    const gate = Promise.withResolvers<string>();
    const first = keyed(claim, WAIT_MS)(effectOf(name), () => gate.promise);
    const repeat = keyed(claim, 50)(effectOf(name), async () => "other");
    await expect(repeat).rejects.toMatchObject({ type: "IDEMPOTENCY_KEY_IN_USE" });
    gate.resolve("first");
    expect(await first).toBe("first");
    expect(await keyed(claim, 50)(effectOf(name), async () => "other")).toBe("first");
  });
});

describe("what is stored", () => {
  it("tells a secret to nobody who has not the key", async () => {
    const { keyed } = await replica();
    const claim = newClaim({ seal: randomBytes(32) });
    const secret = `cpb_pat_${randomBytes(32).toString("base64url")}`;
    const work = async () => ({ token: secret });
    expect(await keyed(claim, WAIT_MS)(work)).toEqual({ token: secret });
    expect(await keyed(claim, WAIT_MS)(async () => ({ token: "another" }))).toEqual({ token: secret });
    const [row] = await rowsOf(claim);
    expect(row?.result?.length).toBeGreaterThan(secret.length);
    expect(row?.result?.includes(secret)).toBe(false);
    await expect(keyed({ ...claim, seal: randomBytes(32) }, WAIT_MS)(work)).rejects.toThrow();
    // Moved to another of the same key, it does not open either.
    const moved = newClaim({ key: claim.key, body: claim.body, seal: claim.seal });
    const move = "update portfolios.idempotency_keys set user_id = $2 where user_id = $1";
    await ground.database.query(move, [claim.userId, moved.userId]);
    await expect(keyed(moved, WAIT_MS)(work)).rejects.toThrow();
  });

  it("holds for 24 hours: then the key is free, and is forgotten", async () => {
    const { keyed, pool } = await replica();
    const [claim, name] = [newClaim(), randomUUID()];
    const age = (interval: string) =>
      ground.database.query(
        "update portfolios.idempotency_keys set created_at = now() - $2::interval where user_id = $1",
        [claim.userId, interval],
      );
    const first = await keyed(claim, WAIT_MS)(effectOf(name));
    await age("23 hours 59 minutes");
    expect(await keyed(claim, WAIT_MS)(effectOf(name))).toEqual(first);
    const store = keyStore(SERVICE);
    await store.forgetExpired(pool);
    expect(await rowsOf(claim)).toHaveLength(1);
    await age("24 hours 1 second");
    const again = await keyed({ ...claim, body: randomBytes(32) }, WAIT_MS)(effectOf(name, 2));
    expect(again).not.toEqual(first);
    expect(await effects(name)).toEqual([1, 2]);
    await age("24 hours 1 second");
    await store.forgetExpired(pool);
    expect(await rowsOf(claim)).toEqual([]);
  });

  it("is forgotten in several steps, and regularly from the beginning on", async () => {
    const userId = randomUUID();
    await ground.database.query(
      `insert into portfolios.idempotency_keys (user_id, action, key_hash, body_hash, created_at)
       select $1, 'old', sha256(n::text::bytea), sha256('body'), now() - interval '2 days' from generate_series(1, 5001) n`,
      [userId],
    );
    const { begin, end, warnings } = await replica();
    begin();
    await until(async () => (await rowsOf(newClaim({ userId }))).length === 0);
    end();
    expect(warnings).toEqual([]);
  });

  it("goes with its user", async () => {
    const { keyed, pool } = await replica();
    const [claim, other] = [newClaim(), newClaim()];
    for (const each of [claim, other]) await keyed(each, WAIT_MS)(effectOf(randomUUID()));
    await eraseKeys((statement) => pool.query(statement), SERVICE, claim.userId);
    expect([await rowsOf(claim), (await rowsOf(other)).length]).toEqual([[], 1]);
  });

  it("is no more than hashes and the reply", async () => {
    const { keyed } = await replica();
    const claim = newClaim({ key: hash("sha256", "a key", "buffer") });
    await keyed(claim, WAIT_MS)(async () => ({ name: "Main" }));
    const [row] = await ground.database.query<Record<string, unknown>>(
      "select * from portfolios.idempotency_keys where user_id = $1",
      [claim.userId],
    );
    expect(row).toEqual({
      user_id: claim.userId,
      action: claim.action,
      key_hash: claim.key,
      body_hash: claim.body,
      done: null,
      result: Buffer.from('{"name":"Main"}'),
      created_at: expect.any(Date),
    });
  });
});
