import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { type ActionEntry, contract, pathParameters, routesOf } from "../../services/common/contract.ts";
import { Scope } from "../../services/common/principal.ts";
import { problemKinds } from "../../services/common/problem.ts";
import { parseMembers } from "../../services/common/validation.ts";
import { contracts } from "../../services/gateway/contracts.ts";
import {
  actionsOf,
  callers,
  faultsOf,
  outcomeOf,
  type Row,
  rows,
  seededRegistry,
  systemMembers,
  type Target,
} from "./matrix.ts";

const actions = actionsOf(contracts).map(({ action, entry }): [string, ActionEntry] => [action, entry]);

const id = "0190a0a0-0000-7000-8000-000000000000";
const target: Target = {
  userId: id,
  issuer: "https://issuer.example",
  subject: "someone",
  portfolioId: id,
  secondPortfolioId: id,
  accountId: id,
  linkedAccountId: id,
  syncedAccountId: id,
  pendingId: id,
  approvedId: id,
  jobId: id,
  tokenId: id,
  ...seededRegistry,
  accessToken: "a.b.c",
  logoutToken: "a.b.c",
};

describe("the matrix of actions and callers", () => {
  it("has a row for every action, a cell for every caller, and nothing else", () => {
    expect(faultsOf(rows, contracts)).toEqual([]);
    for (const each of rows) {
      for (const caller of callers) {
        for (const over of ["http", "nats"] as const) {
          expect(outcomeOf(each, caller, over).status).toBeGreaterThanOrEqual(200);
        }
      }
    }
  });

  it("notices an action without a row, a row without an action, a changed scope and a missing cell", () => {
    const [first, ...others] = rows as readonly [Row, ...Row[]];
    const [, cells] = /^(.*) \S+$/.exec(first.cells) as unknown as [string, string];
    expect(faultsOf(others, contracts)).toEqual([`${first.action} has no row`]);
    const gone = { ...first, action: "portfolios.archive", title: "portfolios.archive" };
    expect(faultsOf([...rows, gone], contracts)).toEqual(["portfolios.archive is the row of no action"]);
    expect(faultsOf([{ ...first, scope: "profile:read" }, ...others], contracts)).toHaveLength(1);
    expect(faultsOf([{ ...first, cells }, ...others], contracts)).toHaveLength(1);
    expect(() => outcomeOf({ ...first, cells }, "expired", "http")).toThrow("the cell of expired is missing");
    const added = contract("things", {
      act: { summary: "Act.", scope: "internal", params: z.strictObject({}), result: z.null() },
    });
    expect(faultsOf(rows, [...contracts, added])).toEqual(["things.act has no row"]);
  });

  it.each(rows.map((each): [string, Row] => [each.title, each]))(
    "has parameters that %s takes",
    (_, each) => {
      const entry = actions.find(([action]) => action === each.action)?.[1] as ActionEntry;
      expect(entry.params.safeParse(each.params(target)).error).toBeUndefined();
    },
  );
});

/** Actions that take objects with members of the caller's choice, and how many such objects. */
const withOpenObject = new Map([["portfolios.createRecommendation", 1]]);

describe.each(actions)("%s", (action, entry) => {
  it("declares a scope that there is", () => {
    expect([...Scope.options, "public", "internal"]).toContain(entry.scope);
  });

  it("has a route if and only if it is not internal", () => {
    expect(routesOf(entry).length > 0).toBe(entry.scope !== "internal");
  });

  it("answers only with problems of the table", () => {
    for (const code of entry.problems ?? []) expect(problemKinds).toHaveProperty(code);
  });

  it("takes no object with members that it does not name", () => {
    // Who hears an event knows what it needs of it; what is told may grow.
    if ("hears" in entry) return;
    const open = objectsIn(entry.params).filter((object) => object.def.catchall?._zod.def.type !== "never");
    expect(open).toHaveLength(withOpenObject.get(action) ?? 0);
  });

  it("lets nobody set what only the system sets", () => {
    const fromPath = new Set(routesOf(entry).flatMap(pathParameters));
    // Services name the user that they act for; nobody else reaches them.
    if (entry.scope === "internal") fromPath.add("user_id");
    const asked = new Set(entry.scope === "internal" ? ["id", "user_id"] : []);
    const [top, ...nested] = objectsIn(entry.params);
    expect(
      systemMembers.filter((name) => Object.hasOwn(top?.shape ?? {}, name) && !fromPath.has(name)),
    ).toEqual([]);
    for (const { shape } of nested)
      expect(systemMembers.filter((name) => Object.hasOwn(shape, name) && !asked.has(name))).toEqual([]);
    for (const name of systemMembers.filter((each) => !fromPath.has(each))) {
      const params = Object.defineProperty({}, name, { value: id, enumerable: true });
      expect(errorsOf(() => parseMembers(entry.params, params))).toContainEqual({
        pointer: `/${name}`,
        detail: "is not known here",
      });
    }
  });
});

function errorsOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return (error as { data?: { errors?: unknown } }).data?.errors;
  }
  throw new Error("It was taken.");
}

/** Every object that a schema takes, the schema itself first. */
function objectsIn(schema: z.core.$ZodType): z.ZodObject[] {
  if (schema instanceof z.ZodObject) return [schema, ...Object.values(schema.shape).flatMap(objectsIn)];
  const { def } = schema._zod as unknown as { def: Readonly<Record<string, unknown>> };
  const inner = [def.innerType, def.element, def.in, def.out, def.valueType, ...((def.options ?? []) as [])];
  return inner.filter((each) => each !== undefined).flatMap((each) => objectsIn(each as z.core.$ZodType));
}
