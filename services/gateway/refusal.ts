import { type MemberError, type ProblemData, problem } from "../common/problem.ts";

/** VALIDATION_FAILED with these members. */
export function invalid(...errors: readonly MemberError[]): Error {
  return problem("VALIDATION_FAILED", { detail: sentenceOf(errors), errors });
}

/** What was found wrong with parameters, told of the body as the client sent it, which is one of the parameters whole. */
export function inBody(bodyMember: string | undefined, data: ProblemData): ProblemData {
  if (bodyMember === undefined) return data;
  const prefix = `/${bodyMember}`;
  if (!data.errors?.some(({ pointer }) => isBelow(prefix, pointer))) return data;
  const errors = data.errors.map((error) =>
    isBelow(prefix, error.pointer) ? { ...error, pointer: error.pointer.slice(prefix.length) } : error,
  );
  return { detail: sentenceOf(errors), errors };
}

function isBelow(prefix: string, pointer: string): boolean {
  return pointer === prefix || pointer.startsWith(`${prefix}/`);
}

function sentenceOf(errors: readonly MemberError[]): string {
  return `${errors.map(({ pointer, detail }) => `${pointer || "The request"} ${detail}`).join("; ")}.`;
}
