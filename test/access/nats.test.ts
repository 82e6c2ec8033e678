import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Principal } from "../../services/common/principal.ts";
import { type CoinPaprika, startCoinPaprika } from "../support/providers/coinpaprika.ts";
import { type System, startSystem } from "../support/system.ts";
import { partsOf } from "./belongings.ts";
import { CLIENT_ID } from "./http-callers.ts";
import {
  type Caller,
  callers,
  guardedRows,
  type Outcome,
  outcomeOf,
  ownIdsOf,
  type Row,
  rows,
  type Target,
  withUnknownIds,
} from "./matrix.ts";
import {
  joinNamespace,
  type Node,
  newDeletedTarget,
  newTarget,
  ownerOf,
  principalFor,
} from "./nats-callers.ts";
import { snapshot } from "./snapshot.ts";

let system: System;
let prices: CoinPaprika;
let node: Node;
let deleted: Target;

beforeAll(async () => {
  const namespace = `test-access-${randomBytes(6).toString("hex")}`;
  prices = await startCoinPaprika([
    { id: "btc-bitcoin", symbol: "BTC", name: "Bitcoin", rank: 1, price: "100000" },
  ]);
  const environment = {
    OIDC_CLIENT_ID: CLIENT_ID,
    NATS_NAMESPACE: namespace,
    COINPAPRIKA_URL: prices.url,
    OUTGOING_PRIVATE_HOSTS: new URL(prices.url).host,
  };
  system = await startSystem({ environment });
  node = await joinNamespace(namespace);
  deleted = await newDeletedTarget(system, node);
}, 60_000);
afterAll(async () => {
  await node.stop();
  await system.stop();
  await prices.stop();
});

type Answer = { readonly result: unknown } | { readonly error: object };

/** What a caller of an action gets, an error with all that travels. */
async function answerOf(action: string, params: object, principal: unknown): Promise<Answer> {
  try {
    return { result: await node.call(action, params, principal) };
  } catch (error) {
    const { name, message, type, code, data } = error as Error & Record<string, unknown>;
    return { error: { name, message, type, code, data } };
  }
}

const cells = rows.flatMap((row) =>
  callers.map((caller): [string, Caller, { row: Row; outcome: Outcome }] => [
    row.title,
    caller,
    { row, outcome: outcomeOf(row, caller, "nats") },
  ]),
);

describe("over NATS, without the gateway", () => {
  it.each(cells)("%s by %s is as declared", async (_, caller, { row, outcome }) => {
    const target = caller === "deleted" ? deleted : await newTarget(system, node, partsOf[row.action]);
    const principal = await principalFor(system, node, caller, row, target);
    const isInternal = row.scope === "internal";
    const ids = ownIdsOf(target);
    const before = outcome.problem && (await snapshot(system.database));
    const answer = await answerOf(row.action, row.params(target), principal);
    if (!outcome.problem) {
      expect(answer).not.toHaveProperty("error");
    } else {
      expect(answer).toMatchObject({ error: { type: outcome.problem, code: outcome.status } });
      expect(await snapshot(system.database)).toEqual(before);
    }
    if (isInternal || (caller !== "other" && caller !== "administrator")) return;
    for (const id of ids) expect(JSON.stringify(answer)).not.toContain(id);
    if (outcome.problem)
      expect(await answerOf(row.action, row.params(withUnknownIds(target)), principal)).toEqual(answer);
  });
});

/** What is no principal, though another process may send it; each made of a good one. */
const malformed: Readonly<Record<string, (good: Principal) => unknown>> = {
  null: () => null,
  "a number": () => 1,
  true: () => true,
  "a text": ({ userId }) => userId,
  "JSON as a text": (good) => JSON.stringify(good),
  "a list": (good) => [good],
  "an empty object": () => ({}),
  "an id and nothing else": ({ userId }) => ({ userId }),
  "without a user": ({ userId: _, ...others }) => others,
  "with a user whose id is none": (good) => ({ ...good, userId: "*" }),
  "with several users": (good) => ({ ...good, userId: [good.userId] }),
  "without a subject": ({ subject: _, ...others }) => others,
  "with an empty subject": (good) => ({ ...good, subject: "" }),
  "without an issuer": ({ issuer: _, ...others }) => others,
  "without roles": ({ roles: _, ...others }) => others,
  "with roles as a text": (good) => ({ ...good, roles: "administrator" }),
  "without scopes": ({ scopes: _, ...others }) => others,
  "with scopes as a text": (good) => ({ ...good, scopes: "portfolios:read" }),
  "with all scopes in a list": (good) => ({ ...good, scopes: ["all"] }),
  "with scopes that no script may have": (good) => ({
    ...good,
    scopes: ["profile:write", "tokens:manage", "users:administer", "internal", "public"],
  }),
  "without an end": ({ expiresAt: _, ...others }) => others,
  "with an end that is a text": (good) => ({ ...good, expiresAt: String(good.expiresAt) }),
  "with an end that is no whole number": (good) => ({ ...good, expiresAt: good.expiresAt + 0.5 }),
  "with an end before all time": (good) => ({ ...good, expiresAt: -1 }),
  "that ended": (good) => ({ ...good, expiresAt: Math.floor(Date.now() / 1000) - 31 }),
  "without an issue time": ({ issuedAt: _, ...others }) => others,
  "with a portfolio that is none": (good) => ({ ...good, portfolioId: "" }),
  "with a member more": (good) => ({ ...good, isAdministrator: true }),
};

describe("a principal that is none", () => {
  it.each(Object.entries(malformed))("is refused by every action: %s", async (_, spoil) => {
    const target = await newTarget(system, node);
    const principal = spoil(ownerOf(target, { roles: ["administrator"] }));
    const before = await snapshot(system.database);
    for (const { title, action, params } of guardedRows) {
      const answer = await answerOf(action, params(target), principal);
      expect([title, answer]).toEqual([
        title,
        { error: expect.objectContaining({ type: "UNAUTHENTICATED", code: 401 }) },
      ]);
    }
    expect(await snapshot(system.database)).toEqual(before);
  });
});

describe("the administrator's role", () => {
  it.each(["Administrator", "administrators", "admin", " administrator", "ADMINISTRATOR", "*"])(
    "is not '%s'",
    async (role) => {
      const target = await newTarget(system, node);
      const answer = await answerOf(
        "auth.revokeUser",
        { id: target.userId },
        ownerOf(target, { roles: [role] }),
      );
      expect(answer).toMatchObject({ error: { type: "FORBIDDEN" } });
    },
  );

  it("is worth nothing to a token whose scopes are listed", async () => {
    const target = await newTarget(system, node);
    const principal = ownerOf(target, { roles: ["administrator"], scopes: ["portfolios:write"] });
    expect(await answerOf("auth.revokeUser", { id: target.userId }, principal)).toMatchObject({
      error: { type: "FORBIDDEN" },
    });
  });
});

describe("a token for one portfolio", () => {
  it("reaches that one and no other, and makes none", async () => {
    const target = await newTarget(system, node);
    const { portfolioId: id, secondPortfolioId } = target;
    const principal = ownerOf(target, { portfolioId: id, scopes: ["portfolios:read", "portfolios:write"] });
    expect(await answerOf("portfolios.list", {}, principal)).toMatchObject({ result: { items: [{ id }] } });
    expect(await answerOf("portfolios.get", { id }, principal)).toMatchObject({ result: { id } });
    for (const [action, params] of [
      ["get", {}],
      ["update", { name: "x" }],
      ["delete", {}],
    ] as const) {
      const answer = await answerOf(`portfolios.${action}`, { id: secondPortfolioId, ...params }, principal);
      expect(answer).toMatchObject({ error: { type: "PORTFOLIO_NOT_FOUND" } });
    }
    expect(await answerOf("portfolios.create", { name: "x" }, principal)).toMatchObject({
      error: { type: "FORBIDDEN" },
    });
    expect(await answerOf("portfolios.delete", { id }, principal)).toEqual({ result: null });
    expect(await answerOf("portfolios.list", {}, principal)).toEqual({ result: { items: [] } });
  });

  it("reaches nothing when the portfolio is another user's", async () => {
    const [target, other] = await Promise.all([newTarget(system, node), newTarget(system, node)]);
    const principal = ownerOf(target, { portfolioId: other.portfolioId });
    const { portfolioId: id } = other;
    expect(await answerOf("portfolios.list", {}, principal)).toEqual({ result: { items: [] } });
    for (const [action, params] of [
      ["get", {}],
      ["update", { name: "x" }],
      ["delete", {}],
    ] as const) {
      expect(await answerOf(`portfolios.${action}`, { id, ...params }, principal)).toMatchObject({
        error: { type: "PORTFOLIO_NOT_FOUND" },
      });
    }
  });
});

describe("the time that an answer takes", () => {
  const SAMPLES = 200;
  const MAX_DIFFERENCE_MS = 5;

  it.each([
    ["portfolios.get", "portfolioId"],
    ["portfolios.update", "portfolioId"],
    ["portfolios.delete", "portfolioId"],
    ["accounts.get", "accountId"],
    ["accounts.update", "accountId"],
    ["accounts.delete", "accountId"],
    ["auth.deleteToken", "tokenId"],
  ] as const)("of %s does not tell another user's id from an unknown one", async (action, member) => {
    const [target, other] = await Promise.all([newTarget(system, node), newTarget(system, node)]);
    const took: Record<"foreign" | "unknown", number[]> = { foreign: [], unknown: [] };
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      for (const kind of sample % 2 === 0
        ? (["foreign", "unknown"] as const)
        : (["unknown", "foreign"] as const)) {
        const id = kind === "foreign" ? other[member] : randomUUID();
        const startedAt = performance.now();
        await answerOf(action, { id }, ownerOf(target));
        took[kind].push(performance.now() - startedAt);
      }
    }
    expect(Math.abs(median(took.foreign) - median(took.unknown))).toBeLessThan(MAX_DIFFERENCE_MS);
  });
});

function median(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[numbers.length >> 1] as number;
}
