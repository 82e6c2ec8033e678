import assert from "node:assert/strict";
import { z } from "zod";
import { isExactNumber } from "../common/values.ts";

/** Makes of a value the same with its exact numbers as JSON writes them: digit for digit. */
type Rewrite = (value: unknown) => unknown;

/** ECMAScript's `JSON.rawJSON` (Node 22 and later), which TypeScript's library does not have yet. */
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };

/**
 * How values of a schema are written as JSON. Only where the schema has an `ExactNumber`, and only there, anything is
 * looked at: what has none costs nothing more than `JSON.stringify`.
 * @throws when an exact number is where it cannot be found again, as in one branch of a union: the contract is wrong.
 */
export function jsonWriter(schema: z.ZodType): (value: unknown) => string {
  const rewrite = rewriteOf(schema);
  return rewrite ? (value) => JSON.stringify(rewrite(value)) : JSON.stringify;
}

/** Undefined where nothing is to be rewritten. */
function rewriteOf(schema: z.core.$ZodType): Rewrite | undefined {
  if (isExactNumber(schema)) return (value) => (typeof value === "string" ? rawJSON(value) : value);
  if (schema instanceof z.ZodObject) return rewriteOfObject(schema);
  if (schema instanceof z.ZodArray) {
    const element = rewriteOf(schema.element);
    return element && ((value) => (Array.isArray(value) ? value.map(element) : value));
  }
  if (schema instanceof z.ZodRecord) {
    const member = rewriteOf(schema.valueType);
    return (
      member &&
      ((value) =>
        isObject(value)
          ? Object.fromEntries(Object.entries(value).map(([key, inside]) => [key, member(inside)]))
          : value)
    );
  }
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return rewriteOf(schema.unwrap());
  if (schema instanceof z.ZodUnion) {
    const isExact = schema.options.some((option) => rewriteOf(option) !== undefined);
    assert.ok(!isExact, "an exact number cannot be written where it is one of several");
  }
  return undefined;
}

function rewriteOfObject(schema: z.ZodObject): Rewrite | undefined {
  const members = Object.entries(schema.shape).flatMap(([name, member]) => {
    const rewrite = rewriteOf(member);
    return rewrite ? [{ name, rewrite }] : [];
  });
  if (members.length === 0) return undefined;
  return (value) => {
    if (!isObject(value)) return value;
    const rewritten = { ...value };
    for (const { name, rewrite } of members) {
      if (rewritten[name] !== undefined) rewritten[name] = rewrite(rewritten[name]);
    }
    return rewritten;
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
