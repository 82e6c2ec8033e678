import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { ExactNumber } from "../../services/common/values.ts";
import { jsonWriter } from "../../services/gateway/exact-json.ts";

const LARGE = `1${"0".repeat(30)}`;
const SMALL = `0.${"0".repeat(29)}1`;

describe("jsonWriter", () => {
  it.each([LARGE, SMALL, "0", "-0.5", "1.10", `${"9".repeat(78)}.${"9".repeat(78)}`])(
    "writes %s digit for digit as a number, wherever the schema has one",
    (digits) => {
      const schema = z.strictObject({
        exact: ExactNumber,
        described: ExactNumber.meta({ description: "Percent.", examples: [1] }),
        nullable: ExactNumber.nullable(),
        optional: ExactNumber.optional(),
        list: z.array(z.strictObject({ inside: ExactNumber, text: z.string() })),
        record: z.record(z.string(), ExactNumber),
        text: z.string(),
      });
      const value = {
        exact: digits,
        described: digits,
        nullable: digits,
        optional: digits,
        list: [{ inside: digits, text: digits }],
        record: { one: digits },
        text: digits,
      };
      const before = structuredClone(value);
      expect(jsonWriter(schema)(value)).toBe(
        `{"exact":${digits},"described":${digits},"nullable":${digits},"optional":${digits},` +
          `"list":[{"inside":${digits},"text":"${digits}"}],"record":{"one":${digits}},"text":"${digits}"}`,
      );
      expect(value).toEqual(before);
    },
  );

  it("writes null, and leaves out what is absent", () => {
    const schema = z.strictObject({ price: ExactNumber.nullable(), value: ExactNumber.optional() });
    expect(jsonWriter(schema)({ price: null })).toBe('{"price":null}');
    expect(jsonWriter(schema)({ price: null, value: undefined })).toBe('{"price":null}');
  });

  it("is JSON.stringify itself where there is none", () => {
    expect(jsonWriter(z.strictObject({ text: z.string(), number: z.number() }))).toBe(JSON.stringify);
    expect(jsonWriter(z.union([z.string(), z.array(z.looseObject({}))]))).toBe(JSON.stringify);
  });

  it("refuses a schema whose exact numbers it could not find again", () => {
    expect(() => jsonWriter(z.strictObject({ one: z.union([z.string(), ExactNumber]) }))).toThrow(
      "an exact number cannot be written where it is one of several",
    );
  });

  it("fails rather than write what is no JSON", () => {
    expect(() => jsonWriter(ExactNumber)("1, 2")).toThrow(SyntaxError);
  });
});

describe("ExactNumber", () => {
  it.each(["1e5", "", " 1", "01", "1.", ".5", "+1", "NaN", "Infinity", "1_000"])("is not %j", (text) => {
    expect(ExactNumber.safeParse(text).success).toBe(false);
  });

  it("is a number in the OpenAPI document", () => {
    expect(z.toJSONSchema(z.strictObject({ one: ExactNumber.nullable() })).properties).toMatchObject({
      one: { anyOf: [{ type: "number" }, { type: "null" }] },
    });
  });
});
