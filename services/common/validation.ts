import type { z } from "zod";
import { type MemberError, problem } from "./problem.ts";

const UNKNOWN = "is not known here";
/** A client gets at most so many wrong members named at once. */
const MAX_ERRORS = 20;

/**
 * Parses parameters strictly.
 * @throws VALIDATION_FAILED, naming each wrong member by JSON pointer.
 */
export function parseMembers<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const forbidden = pointerToPrototype(value);
  if (forbidden !== undefined) throw invalid([{ pointer: forbidden, detail: UNKNOWN }]);
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  throw invalid(result.error.issues.flatMap(errorsOf).slice(0, MAX_ERRORS));
}

function invalid(errors: readonly MemberError[]): Error {
  const detail = errors.map(({ pointer, detail }) => `${pointer || "The request"} ${detail}`).join("; ");
  return problem("VALIDATION_FAILED", { detail: `${detail}.`, errors });
}

/** JSON can bring a member of this name, and zod passes over it in records. */
function pointerToPrototype(value: unknown): string | undefined {
  const rest: Place[] = [{ value, key: "", parent: undefined }];
  for (let place = rest.pop(); place; place = rest.pop()) {
    if (typeof place.value !== "object" || place.value === null) continue;
    for (const [key, member] of Object.entries(place.value)) {
      const inside = { value: member, key, parent: place };
      if (key === "__proto__") return pointerTo(pathOf(inside));
      rest.push(inside);
    }
  }
  return undefined;
}

/** Where a walk has come to; it keeps the way there and no copies of it, because JSON may nest deeply. */
interface Place {
  readonly value: unknown;
  readonly key: string;
  readonly parent: Place | undefined;
}

function pathOf(place: Place): string[] {
  const path: string[] = [];
  for (let at = place; at.parent; at = at.parent) path.push(at.key);
  return path.reverse();
}

function errorsOf(issue: z.core.$ZodIssue): MemberError[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      pointer: pointerTo([...issue.path, key]),
      detail: UNKNOWN,
    }));
  }
  if (issue.code === "invalid_union" && issue.errors[0]) {
    const closest = issue.errors.reduce((best, branch) => (depthOf(branch) > depthOf(best) ? branch : best));
    if (depthOf(closest) > 0) {
      return closest.flatMap((nested) => errorsOf({ ...nested, path: [...issue.path, ...nested.path] }));
    }
  }
  return [{ pointer: pointerTo(issue.path), detail: detailOf(issue) }];
}

/** How far into the value a branch of a union fits before it fails: the deepest one is what the client meant. */
function depthOf(branch: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...branch.map(({ code, path }) => path.length + (code === "invalid_type" ? 0 : 1)));
}

/** What a schema says itself, it says in these words; the others are ours. */
function detailOf(issue: z.core.$ZodIssue): string {
  if (issue.message.startsWith("must")) return issue.message;
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? "is required" : `must be ${withArticle(issue.expected)}`;
    case "invalid_union":
      return `must be ${[...new Set(issue.errors.flat().map(expectedOf))].join(" or ")}`;
    case "invalid_key":
      return `has a name that ${issue.issues.map(detailOf).join(" and ")}`;
    case "too_small":
      return `must be at least ${sizeOf(issue.minimum, issue.origin)}`;
    case "too_big":
      return `must be at most ${sizeOf(issue.maximum, issue.origin)}`;
    case "invalid_format":
      return `must be a valid ${issue.format === "guid" ? "UUID" : issue.format}`;
    case "invalid_value":
      return `must be one of ${issue.values.map(String).join(", ")}`;
    case "custom":
      return issue.message;
    default:
      return "is not valid";
  }
}

function sizeOf(limit: number | bigint, origin: string): string {
  if (origin === "string") return `${limit} characters long`;
  if (origin === "array" || origin === "record" || origin === "object") return `${limit} members long`;
  return String(limit);
}

function expectedOf(issue: z.core.$ZodIssue): string {
  return issue.code === "invalid_type" ? withArticle(issue.expected) : "of another form";
}

function withArticle(type: string): string {
  const name = type === "int" ? "integer" : type === "record" ? "object" : type;
  return `${/^[aeio]/.test(name) ? "an" : "a"} ${name}`;
}

/** RFC 6901. */
function pointerTo(path: readonly PropertyKey[]): string {
  return path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
