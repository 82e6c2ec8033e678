import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import {
  Recommendation,
  type RecommendationStatus,
} from "../../services/portfolios/contract/recommendation-members.ts";
import { recommendationActions } from "../../services/portfolios/contract/recommendations.ts";
import { MAX_RECOMMENDATIONS } from "../../services/portfolios/recommendations/writes.ts";
import { principalOf } from "../support/broker.ts";
import {
  OFF_TARGET,
  OWN,
  type RecommendationServices,
  startRecommendations,
} from "./recommendation-services.ts";

let services: RecommendationServices;

beforeAll(async () => {
  services = await startRecommendations();
});
afterAll(() => services.stop());

const moves = ["approve", "reject", "execute"] as const;
const states = ["pending", "approved", "rejected", "executed", "expired"] as const;

/** What is stored, in a state of the test's choice. */
async function setState(id: string, status: RecommendationStatus): Promise<void> {
  await services.database.query(
    `update portfolios.recommendations set status = $2, updated_at = updated_at - interval '1 second',
       executed_at = case when $2 = 'executed' then now() end where id = $1`,
    [id, status],
  );
}

async function passTime(id: string, seconds: number): Promise<void> {
  await services.database.query(
    `update portfolios.recommendations set created_at = created_at - make_interval(secs => $2),
       expires_at = coalesce(expires_at, now() + interval '1 day') - make_interval(secs => $2) where id = $1`,
    [id, seconds],
  );
}

async function countOf(portfolioId: string): Promise<number> {
  const [row] = await services.database.query<{ count: string }>(
    "select count(*) from portfolios.recommendations where portfolio_id = $1",
    [portfolioId],
  );
  return Number(row?.count);
}

/** A user with a portfolio that is off its targets. */
async function someone() {
  const user = services.as(randomUUID());
  const { id } = await user.portfolio();
  services.hold(id, OFF_TARGET);
  return { user, id };
}

async function generated({ user, id }: Awaited<ReturnType<typeof someone>>): Promise<Recommendation> {
  const { recommendations } = await user.generate(id);
  return recommendations[0] as Recommendation;
}

describe("portfolios.createRecommendation", () => {
  it("answers it pending, in the wire's form, with null for what a computed one has", async () => {
    const { user, id } = await someone();
    const metadata = { confidence: 0.8, resistance_level: "65000", note: "mine", is_urgent: true };
    const created = await user.create(id, { expected_impact: "-12.50", metadata });
    expect(Recommendation.parse(created)).toEqual(created);
    expect(created).toEqual({
      id: expect.any(String),
      portfolio_id: id,
      status: "pending",
      ...OWN,
      expected_impact: "-12.50",
      metadata,
      created_at: expect.any(String),
      updated_at: created.created_at,
      executed_at: null,
      price_as_of: null,
      inputs_hash: null,
      expires_at: null,
      version: 1,
    });
    expect(await user.get(id, created.id)).toEqual(created);
  });

  it("keeps figures from 10^30 to 10^-30 to the last digit", async () => {
    const { user, id } = await someone();
    const figures = {
      quantity: `0.${"0".repeat(29)}1`,
      estimated_price: `1${"0".repeat(30)}.${"0".repeat(29)}1`,
      estimated_value_usd: `1${"0".repeat(30)}`,
    };
    const { id: created } = await user.create(id, {
      proposed_orders: [{ action: "buy", asset: "BTC", ...figures }],
      expected_impact: `-${figures.estimated_price}`,
    });
    const found = await user.get(id, created);
    expect(found.proposed_orders).toEqual([{ action: "buy", asset: "BTC", ...figures }]);
    expect(found.expected_impact).toBe(`-${figures.estimated_price}`);
  });

  it("makes room by dropping the oldest finished one, and refuses when none is", async () => {
    const { user, id } = await someone();
    await services.database.query(
      `insert into portfolios.recommendations (id, portfolio_id, status, recommendation_type, rationale, proposed_orders, created_at)
       select gen_random_uuid(), $1, case when n <= 2 then 'rejected' else 'pending' end, 'stop_loss', n::text, '[]',
         now() - make_interval(secs => 1000 - n)
       from generate_series(1, ${MAX_RECOMMENDATIONS}) n`,
      [id],
    );
    await user.create(id, { rationale: "501" });
    const { recommendations, total_count } = await user.list(id);
    expect(total_count).toBe(MAX_RECOMMENDATIONS);
    expect(recommendations.at(0)?.rationale).toBe("501");
    expect(recommendations.at(-1)?.rationale).toBe("2");
    await Promise.allSettled(Array.from({ length: 10 }, () => user.create(id)));
    expect(await countOf(id)).toBe(MAX_RECOMMENDATIONS);
    await expect(user.create(id)).rejects.toMatchObject({ type: "TOO_MANY_RECOMMENDATIONS" });
    await expect(user.generate(id)).rejects.toMatchObject({ type: "TOO_MANY_RECOMMENDATIONS" });
  });
});

describe("the states of a recommendation", () => {
  const allowed: Readonly<Record<string, string>> = {
    "pending approve": "approved",
    "pending reject": "rejected",
    "approved execute": "executed",
  };
  const table = states.flatMap((state) =>
    moves.map((move): [string, string, string] => [state, move, allowed[`${state} ${move}`] ?? "409"]),
  );

  it.each(table)("from %s, %s leads to %s", async (state, move, expected) => {
    const { user, id } = await someone();
    const { id: recommendation } = await user.create(id);
    await setState(recommendation, state as RecommendationStatus);
    const before = await user.get(id, recommendation);
    if (expected === "409") {
      await expect(user.move(move, id, recommendation)).rejects.toMatchObject({
        code: 409,
        type: "RECOMMENDATION_STATE",
        data: { detail: expect.stringContaining(` is ${state};`) },
      });
      expect(await user.get(id, recommendation)).toEqual(before);
      return;
    }
    const moved = await user.move(move, id, recommendation);
    expect(moved).toEqual({
      ...before,
      status: expected,
      updated_at: expect.any(String),
      executed_at: expected === "executed" ? moved.updated_at : null,
      version: 2,
    });
    expect(moved.updated_at > before.updated_at).toBe(true);
    expect(await user.get(id, recommendation)).toEqual(moved);
  });

  it("lets one of 20 approvals and 20 rejections at once win; the others are told what it is", async () => {
    const { user, id } = await someone();
    const { id: recommendation } = await user.create(id);
    const attempts = Array.from({ length: 40 }, (_, index) =>
      user.move(index % 2 === 0 ? "approve" : "reject", id, recommendation),
    );
    const settled = await Promise.allSettled(attempts);
    const won = settled.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
    expect(won).toHaveLength(1);
    const { status } = await user.get(id, recommendation);
    expect(won[0]?.status).toBe(status);
    for (const attempt of settled) {
      if (attempt.status === "fulfilled") continue;
      expect(attempt.reason).toMatchObject({
        type: "RECOMMENDATION_STATE",
        data: { detail: expect.stringContaining(` is ${status};`) },
      });
    }
  });

  it("asks for the version that the move is based on, before the state", async () => {
    const { user, id } = await someone();
    const { id: recommendation } = await user.create(id);
    const lost = { type: "PRECONDITION_FAILED" };
    await expect(user.move("approve", id, recommendation, { if_match: 2 })).rejects.toMatchObject(lost);
    expect(await user.move("approve", id, recommendation, { if_match: 1 })).toMatchObject({ version: 2 });
    await expect(user.move("approve", id, recommendation, { if_match: 1 })).rejects.toMatchObject(lost);
    expect(await user.move("execute", id, recommendation, { if_match: 2 })).toMatchObject({ version: 3 });
  });
});

describe("a recommendation whose time has passed", () => {
  it("is expired without anybody writing that down, in each read and filter alike", async () => {
    const one = await someone();
    const { user, id } = one;
    const { id: recommendation } = await generated(one);
    await passTime(recommendation, 86_401);
    const found = await user.get(id, recommendation);
    expect(found).toMatchObject({ status: "expired", version: 2, updated_at: found.expires_at });
    expect((await user.list(id)).recommendations).toEqual([found]);
    expect(await user.list(id, { status: "expired" })).toMatchObject({
      recommendations: [found],
      total_count: 1,
    });
    expect(await user.list(id, { status: "pending" })).toMatchObject({ recommendations: [], total_count: 0 });
    for (const move of moves) {
      await expect(user.move(move, id, recommendation)).rejects.toMatchObject({
        type: "RECOMMENDATION_STATE",
        data: { detail: expect.stringContaining(" is expired;") },
      });
    }
  });

  it("is approved up to the last second, and then executed whenever", async () => {
    const one = await someone();
    const { user, id } = one;
    const { id: recommendation } = await generated(one);
    await passTime(recommendation, 86_370);
    expect(await user.move("approve", id, recommendation)).toMatchObject({ status: "approved" });
    await passTime(recommendation, 86_400);
    expect(await user.get(id, recommendation)).toMatchObject({ status: "approved", version: 2 });
    expect(await user.move("execute", id, recommendation)).toMatchObject({ status: "executed" });
  });

  it("makes room for the same again", async () => {
    const one = await someone();
    const { user, id } = one;
    const first = await generated(one);
    await passTime(first.id, 86_401);
    const second = await generated(one);
    expect(second.id).not.toBe(first.id);
    expect(second.inputs_hash).toBe(first.inputs_hash);
    const { recommendations } = await user.list(id);
    expect(recommendations.map(({ status, version }) => [status, version])).toEqual([
      ["pending", 1],
      ["expired", 2],
    ]);
    const expired = recommendations[1] as Recommendation;
    expect(expired.updated_at).toBe(expired.expires_at);
  });
});

describe("portfolios.listRecommendations", () => {
  it("answers the newest first, by state and type, page by page, with the count of all that match", async () => {
    const { user, id } = await someone();
    const created: Recommendation[] = [];
    for (const type of ["take_profit", "stop_loss", "take_profit", "take_profit"]) {
      created.unshift(await user.create(id, { recommendation_type: type }));
    }
    await user.move("approve", id, (created[0] as Recommendation).id);
    const pending = { status: "pending", recommendation_type: "take_profit" };
    const [, third, , first] = created;
    expect(await user.list(id, pending)).toEqual({
      portfolio_id: id,
      recommendations: [third, first],
      total_count: 2,
    });
    const page = await user.list(id, { ...pending, limit: 1 });
    expect(page).toMatchObject({ recommendations: [third], total_count: 2 });
    const last = await user.list(id, { ...pending, limit: 1, cursor: page.next_cursor });
    expect(last).toEqual({ portfolio_id: id, recommendations: [first], total_count: 2 });
    expect((await user.list(id)).recommendations.map((one) => one.id)).toEqual(created.map((one) => one.id));
  });

  it("keeps a page smaller than a message, and goes on after it", async () => {
    const { user, id } = await someone();
    await services.database.query(
      `insert into portfolios.recommendations (id, portfolio_id, recommendation_type, rationale, proposed_orders)
       select gen_random_uuid(), $1, 'stop_loss', n::text,
         jsonb_build_array(jsonb_build_object('action', 'buy', 'asset', repeat('X', 250000), 'quantity', '1',
           'estimated_price', '1', 'estimated_value_usd', '1'))
       from generate_series(1, 5) n`,
      [id],
    );
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await user.list(id, cursor === undefined ? {} : { cursor });
      expect(page.total_count).toBe(5);
      expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(900_000);
      seen.push(...page.recommendations.map((one) => one.id));
      cursor = page.next_cursor;
    } while (cursor !== undefined);
    expect(new Set(seen).size).toBe(5);
    expect(seen).toHaveLength(5);
  });

  it("answers many lists at once, each with its own", async () => {
    const users = await Promise.all(Array.from({ length: 12 }, () => someone()));
    const created = await Promise.all(users.map(({ user, id }) => user.create(id)));
    const lists = await Promise.all(users.map(({ user, id }) => user.list(id)));
    expect(lists.map(({ recommendations }) => recommendations)).toEqual(created.map((one) => [one]));
  });
});

describe("someone else's recommendations", () => {
  it.each(Object.keys(recommendationActions).filter((action) => !action.startsWith("export")))(
    "are not there for %s, nor for a token for another portfolio",
    async (action) => {
      const { user, id } = await someone();
      const { id: recommendation_id } = await user.create(id);
      const members = action === "createRecommendation" ? OWN : {};
      const params =
        action.startsWith("list") || action.startsWith("generate") || action.startsWith("create")
          ? { id, ...members }
          : { id, recommendation_id };
      const [row] = await services.database.query<{ user_id: string }>(
        "select user_id from portfolios.portfolios where id = $1",
        [id],
      );
      const confined = principalOf(row?.user_id as string, { portfolioId: randomUUID() });
      for (const principal of [principalOf(randomUUID()), confined]) {
        await expect(services.callAs(principal, `portfolios.${action}`, params)).rejects.toMatchObject({
          code: 404,
          type: "PORTFOLIO_NOT_FOUND",
        });
      }
      expect(await countOf(id)).toBe(1);
      expect(await user.get(id, recommendation_id)).toMatchObject({ status: "pending", version: 1 });
    },
  );

  it("are not there below a portfolio of one's own either", async () => {
    const { user, id } = await someone();
    const { id: recommendation } = await user.create(id);
    const other = await user.portfolio();
    const missing = { code: 404, type: "RECOMMENDATION_NOT_FOUND" };
    await expect(user.get(other.id, recommendation)).rejects.toMatchObject(missing);
    for (const move of moves) {
      await expect(user.move(move, other.id, recommendation)).rejects.toMatchObject(missing);
    }
  });
});

describe("portfolios.exportRecommendations", () => {
  it("answers all of a user's, oldest first, and none of anybody else's; erasing leaves none", async () => {
    const userId = randomUUID();
    const user = services.as(userId);
    const portfolios = await Promise.all([user.portfolio(), user.portfolio()]);
    const created: Recommendation[] = [];
    for (const { id } of [...portfolios, ...portfolios]) created.push(await user.create(id));
    const { id: foreign } = (await someone()) as { id: string };
    const exported = () =>
      services.callAs<{ items: Recommendation[] }>(undefined, "portfolios.exportRecommendations", {
        user_id: userId,
      });
    expect(await exported()).toEqual({ items: created });
    await services.callAs(undefined, "portfolios.eraseUser", { user_id: userId });
    expect(await exported()).toEqual({ items: [] });
    expect(await countOf(foreign)).toBe(0);
  });
});
