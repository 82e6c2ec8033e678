import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { type ActionEntry, contract, pathParameters, routesOf } from "../../services/common/contract.ts";

const entry = {
  summary: "Act.",
  scope: "portfolios:read",
  params: z.strictObject({ id: z.string() }),
  result: z.null(),
} as const satisfies ActionEntry;

describe("contract", () => {
  it("is its name and its actions", () => {
    const actions = { act: entry };
    expect(contract("things", actions)).toEqual({ name: "things", actions });
  });

  it("has the events that it tells", () => {
    const events = { "things.made": z.strictObject({ id: z.string() }) };
    expect(contract("things", {}, { events })).toEqual({ name: "things", actions: {}, events });
  });

  it.each(["other.made", "things.", "things.Made", "things.made.twice", "things.made-twice"])(
    "refuses an event that is called %s",
    (name) => {
      const events = { [name]: z.strictObject({}) } as Record<`things.${string}`, z.ZodObject>;
      expect(() => contract("things", {}, { events })).toThrow(
        `Contract things, event ${name}: its name must be things.past_tense`,
      );
    },
  );

  it.each<[string, Partial<Record<keyof ActionEntry, unknown>>, string]>([
    [
      "an internal action with a route",
      { scope: "internal", http: "GET /v1/things" },
      "an internal action has no route",
    ],
    [
      "a route with an unknown parameter",
      { http: "GET /v1/things/{id}/parts/{part}" },
      "route GET /v1/things/{id}/parts/{part} names part, which is no parameter",
    ],
    [
      "an alias with an unknown parameter",
      { http: ["GET /v1/things/{id}", "GET /things/{key}"] },
      "route GET /things/{key} names key, which is no parameter",
    ],
    ["If-Match without its parameter", { ifMatch: true }, "ifMatch needs the parameter if_match"],
    ["a body that is no parameter", { bodyMember: "items" }, "bodyMember names items, which is no parameter"],
    ["a 201 without a location", { status: 201 }, "a 201 needs a location"],
    [
      "parameters that let unknown members pass",
      { params: z.object({ id: z.string() }) },
      "params must be a strictObject",
    ],
    ["parameters that keep unknown members", { params: z.looseObject({}) }, "params must be a strictObject"],
  ])("refuses %s, naming the action", (_, changes, fault) => {
    const wrong = { ...entry, ...changes } as unknown as ActionEntry;
    expect(() => contract("things", { right: entry, act: wrong })).toThrow(`Contract things.act: ${fault}`);
  });
});

describe("routesOf", () => {
  it("lists the routes of an entry, the canonical one first, and none of an entry without", () => {
    expect(routesOf({ ...entry, http: "GET /a" })).toEqual(["GET /a"]);
    expect(routesOf({ ...entry, http: ["GET /a", "GET /b"] })).toEqual(["GET /a", "GET /b"]);
    expect(routesOf(entry)).toEqual([]);
  });
});

describe("pathParameters", () => {
  it("lists the names in braces, in order", () => {
    expect(pathParameters("/v1/things/{id}/parts/{part_id}")).toEqual(["id", "part_id"]);
    expect(pathParameters("/v1/things")).toEqual([]);
  });
});
