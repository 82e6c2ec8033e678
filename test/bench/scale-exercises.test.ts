import { describe, expect, it } from "@jest/globals";
import { exercises } from "../../bench/scale-exercises.ts";
import { HELD_ASSETS } from "../../bench/scale-seed.ts";
import { type PortfolioReply, seededPortfolios } from "../../bench/seed.ts";

const caller = { userNumber: 7, token: "token" };
const seeded = seededPortfolios(7);

function created(name: string): PortfolioReply {
  const [first] = seeded as [PortfolioReply];
  const { created_at, updated_at, user_id } = first;
  const id = "01890000-0000-7000-8000-00000000ffff";
  return { id, user_id, name, is_default: false, created_at, updated_at, version: 1 };
}

/** The next request of a kind; which one comes is a matter of chance. */
function nextOf(next: ReturnType<typeof exercises>, kind: string) {
  for (let attempt = 0; attempt < 1000; attempt += 1) {
    const exercise = next();
    if (exercise?.kind === kind) return exercise;
  }
  throw new Error(`No ${kind} came.`);
}

describe("exercises", () => {
  it("find a list that lacks what was created before it was asked for", () => {
    const next = exercises({ mix: { list: 0.5, create: 0.5 }, callers: [caller] });
    const before = nextOf(next, "list");
    const create = nextOf(next, "create");
    const { name } = JSON.parse(create.body ?? "") as { name: string };
    expect(create.check(201, JSON.stringify(created(name)))).toBeUndefined();
    const after = nextOf(next, "list");
    const [old, fresh] = [JSON.stringify(seeded), JSON.stringify([...seeded, created(name)])];
    expect(after.check(200, old)).toBe("stale list: a portfolio from before it is missing");
    expect(after.check(200, fresh)).toBeUndefined();
    // It was asked before, so it may show either.
    expect(before.check(200, old)).toBeUndefined();
    expect(before.check(200, fresh)).toBeUndefined();
  });

  it("find another user's portfolio in a list", () => {
    const next = exercises({ mix: { list: 0.5, create: 0.5 }, callers: [caller] });
    const foreign = { ...created("Written 1"), user_id: seededPortfolios(8)[0]?.user_id };
    expect(nextOf(next, "list").check(200, JSON.stringify([...seeded, foreign]))).toBe(
      "list with another user's portfolio",
    );
  });

  it("find holdings that lack an asset, or are worth something else than before", () => {
    const next = exercises({ mix: { holdings: 1 }, callers: [caller] });
    const reply = (assets: number, total: number) =>
      JSON.stringify({ holdings: Array.from({ length: assets }, () => ({})), total_value_usd: total });
    const check = nextOf(next, "holdings").check;
    expect(check(200, reply(HELD_ASSETS - 1, 5))).toBe("holdings that are not all there");
    expect(check(200, reply(HELD_ASSETS, 5))).toBeUndefined();
    expect(check(200, reply(HELD_ASSETS, 6))).toBe("holdings of another value than before");
    expect(check(503, "{}")).toContain("status 503");
  });

  it("use each new token once", () => {
    const next = exercises({ mix: { first: 1 }, callers: [caller, { ...caller, token: "other" }] });
    expect([next()?.token, next()?.token, next()]).toEqual(["token", "other", undefined]);
  });
});
