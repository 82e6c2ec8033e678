import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { z } from "zod";
import type { MemberError } from "../../services/common/problem.ts";
import { parseMembers } from "../../services/common/validation.ts";
import { Name, Uuid } from "../../services/common/values.ts";
import { portfolios } from "../../services/portfolios/contract.ts";

const { create, get, list } = portfolios.actions;

/** The wrong members of parameters, given as JSON because only JSON can hold some of them. */
function errorsOf(schema: z.ZodType, json: string): readonly MemberError[] {
  try {
    parseMembers(schema, JSON.parse(json));
  } catch (error) {
    const { type, data } = error as { type: string; data: { errors: readonly MemberError[] } };
    expect(type).toBe("VALIDATION_FAILED");
    return data.errors;
  }
  throw new Error(`It was accepted: ${json}`);
}

describe("parseMembers", () => {
  it("answers what the schema makes of the members", () => {
    const id = "0190A0E0-0000-7000-8000-00000000000A";
    expect(parseMembers(get.params, { id })).toEqual({ id: id.toLowerCase() });
    expect(parseMembers(create.params, { name: "  Main  " })).toEqual({ name: "Main" });
  });

  it.each([
    ["unknown", create.params, '{"name":"a","nmae":"b"}', "/nmae", "is not known here"],
    ["missing", create.params, "{}", "/name", "is required"],
    ["null where nothing may be cleared", create.params, '{"name":null}', "/name", "must be a string"],
    ["of the wrong type: a name", create.params, '{"name":1}', "/name", "must be a string"],
    [
      "of the wrong type: a flag",
      create.params,
      '{"name":"a","is_default":"true"}',
      "/is_default",
      "must be a boolean",
    ],
    ["of the wrong type: a number", list.params, '{"limit":"5"}', "/limit", "must be a number"],
    ["no whole number", list.params, '{"limit":1.5}', "/limit", "must be an integer"],
    ["too small", list.params, '{"limit":0}', "/limit", "must be at least 1"],
    ["too large", list.params, '{"limit":501}', "/limit", "must be at most 500"],
    ["too short", create.params, '{"name":"   "}', "/name", "must not be empty"],
    ["too long", create.params, `{"name":"${"x".repeat(121)}"}`, "/name", "must have at most 120 characters"],
    ["no UUID", get.params, '{"id":"1"}', "/id", "must be a valid UUID"],
    [
      "not storable: NUL",
      create.params,
      '{"name":"a\\u0000b"}',
      "/name",
      "must not contain NUL or unpaired surrogates",
    ],
    [
      "not storable: half a pair",
      create.params,
      '{"name":"\\ud83d"}',
      "/name",
      "must not contain NUL or unpaired surrogates",
    ],
    [
      "nested",
      create.params,
      '{"name":"a","guardrails":{"drift_band":"1"}}',
      "/guardrails/drift_band",
      "must be a number",
    ],
    [
      "nested and unknown",
      create.params,
      '{"name":"a","guardrails":{"a/b~c":1}}',
      "/guardrails/a~1b~0c",
      "is not known here",
    ],
    ["no object at all", create.params, '["name"]', "", "must be an object"],
    ["nothing at all", create.params, "null", "", "must be an object"],
  ])("names the member that is %s", (_, schema, json, pointer, detail) => {
    expect(errorsOf(schema, json)).toEqual([{ pointer, detail }]);
  });

  it.each([
    ['{"BTC":"60"}', "/BTC", "must be a number"],
    ['{"BTC":101}', "/BTC", "must be at most 100"],
    [
      '{"B T":1}',
      "/B T",
      "has a name that must be a symbol of 1 to 30 letters, digits or . _ + $ -, beginning with a letter, a digit or $",
    ],
    ['[{"symbol":"BTC"}]', "/0/target_pct", "is required"],
    ['[{"symbol":"BTC","target_pct":-1}]', "/0/target_pct", "must be at least 0"],
    ['[{"symbol":"BTC","target_pct":1,"x":1}]', "/0/x", "is not known here"],
    ['[{"symbol":"BTC","target_pct":1},{"symbol":"BTC","target_pct":1}]', "", "must name each symbol once"],
    ["[1]", "/0", "must be an object"],
    ['"BTC"', "", "must be an object or an array"],
    ["1e400", "", "must be an object or an array"],
  ])("says of targets %s what is wrong in the form that was meant", (targets, pointer, detail) => {
    const errors = errorsOf(create.params, `{"name":"a","target_allocation":${targets}}`);
    expect(errors).toEqual([{ pointer: `/target_allocation${pointer}`, detail }]);
  });

  it.each([
    ['{"name":"a","__proto__":{"is_default":true}}', "/__proto__"],
    ['{"name":"a","__proto__":null}', "/__proto__"],
    ['{"name":"a","guardrails":{"__proto__":{"drift_band":1}}}', "/guardrails/__proto__"],
    ['{"name":"a","target_allocation":{"BTC":100,"__proto__":1}}', "/target_allocation/__proto__"],
    [
      '{"name":"a","target_allocation":[{"symbol":"BTC","target_pct":100,"__proto__":{}}]}',
      "/target_allocation/0/__proto__",
    ],
    ['{"name":"a","constructor":{"prototype":1}}', "/constructor"],
    ['{"name":"a","toString":1}', "/toString"],
  ])("refuses %s: what every object inherits is no member", (json, pointer) => {
    expect(errorsOf(create.params, json)).toEqual([{ pointer, detail: "is not known here" }]);
  });

  it("names all wrong members, but no more than twenty", () => {
    expect(
      errorsOf(create.params, '{"name":1,"is_default":1,"x":1}')
        .map(({ pointer }) => pointer)
        .sort(),
    ).toEqual(["/is_default", "/name", "/x"]);
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`x${index}`, index]));
    expect(errorsOf(create.params, JSON.stringify({ name: "a", ...many }))).toHaveLength(20);
  });

  it("says it in one sentence, too", () => {
    expect(() => parseMembers(get.params, { id: 1, x: 2 })).toThrow(
      expect.objectContaining({
        data: expect.objectContaining({ detail: "/id must be a string; /x is not known here." }),
      }),
    );
  });

  it("takes deeply nested JSON for what it is, and quickly", () => {
    const deep = `${"[".repeat(30_000)}${"]".repeat(30_000)}`;
    expect(errorsOf(create.params, `{"name":"a","description":${deep}}`)).toEqual([
      { pointer: "/description", detail: "must be a string" },
    ]);
  });

  it("never throws anything but VALIDATION_FAILED, whatever JSON comes", () => {
    const schemas = [
      create.params,
      portfolios.actions.update.params,
      list.params,
      get.params,
    ] as readonly z.ZodType[];
    const names = fc.constantFrom(
      "name",
      "description",
      "is_default",
      "target_allocation",
      "guardrails",
      "limit",
      "id",
    );
    const almost = fc.dictionary(fc.oneof(names, fc.string()), fc.jsonValue());
    fc.assert(
      fc.property(fc.oneof(almost, fc.jsonValue()), fc.constantFrom(...schemas), (value, schema) => {
        try {
          parseMembers(schema, JSON.parse(JSON.stringify(value)));
        } catch (error) {
          const { type, data } = error as { type: string; data: { errors: MemberError[]; detail: string } };
          expect(type).toBe("VALIDATION_FAILED");
          expect(data.errors.length).toBeGreaterThan(0);
          for (const { pointer } of data.errors) expect(pointer).toMatch(/^(\/([^/~]|~[01])*)*$/u);
          expect(JSON.parse(JSON.stringify(data))).toEqual(data);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("values", () => {
  it("Name takes exactly what PostgreSQL stores, trimmed and of 1 to 120 characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 150 }), (text) => {
        const name = text.trim();
        const isRight = name.length >= 1 && name.length <= 120 && name.isWellFormed() && !name.includes("\0");
        expect(Name.safeParse(text).success).toBe(isRight);
      }),
    );
  });

  it("Uuid takes any version, in lower case on the wire", () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        expect(Uuid.parse(uuid.toUpperCase())).toBe(uuid);
      }),
    );
    for (const wrong of [
      "",
      "1",
      "0190a0e0-0000-7000-8000-00000000000",
      "0190a0e000007000800000000000000a",
    ]) {
      expect(Uuid.safeParse(wrong).success).toBe(false);
    }
  });
});
