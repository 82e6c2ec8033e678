import { type MemberError, problem } from "../common/problem.ts";

/** VALIDATION_FAILED with these members. */
export function invalid(...errors: readonly MemberError[]): Error {
  const detail = errors.map(({ pointer, detail }) => `${pointer || "The request"} ${detail}`).join("; ");
  return problem("VALIDATION_FAILED", { detail: `${detail}.`, errors });
}
