import type { z } from "zod";
import { type MemberError, problem } from "./problem.ts";

/** A client gets at most so many wrong members named at once. */
const MAX_ERRORS = 20;

/**
 * Parses parameters strictly.
 * @throws VALIDATION_FAILED, naming each wrong member by JSON pointer.
 */
export function parseMembers<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw problem("VALIDATION_FAILED", memberErrors(result.error.issues));
}

function memberErrors(issues: readonly z.core.$ZodIssue[]): { detail: string; errors: MemberError[] } {
  const errors = issues.flatMap(errorsOf).slice(0, MAX_ERRORS);
  const detail = errors.map(({ pointer, detail }) => `${pointer || "The request"} ${detail}`).join("; ");
  return { detail: `${detail}.`, errors };
}

function errorsOf(issue: z.core.$ZodIssue): MemberError[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      pointer: pointerTo([...issue.path, key]),
      detail: "is not known here",
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
  return Math.max(0, ...branch.map((issue) => issue.path.length));
}

function detailOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? "is required" : `must be ${withArticle(issue.expected)}`;
    case "too_small":
      return issue.message.startsWith("must")
        ? issue.message
        : `must be at least ${sizeOf(issue.minimum, issue.origin)}`;
    case "too_big":
      return issue.message.startsWith("must")
        ? issue.message
        : `must be at most ${sizeOf(issue.maximum, issue.origin)}`;
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

function withArticle(type: string): string {
  const name = type === "int" ? "integer" : type === "record" ? "object" : type;
  return `${/^[aeio]/.test(name) ? "an" : "a"} ${name}`;
}

/** RFC 6901. */
function pointerTo(path: readonly PropertyKey[]): string {
  return path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
