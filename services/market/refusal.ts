import { problem } from "../common/problem.ts";

/** The problem of one member that is of the right form and still not valid. */
export function invalidMember(name: string, detail: string): Error {
  return problem("VALIDATION_FAILED", {
    detail: `/${name} ${detail}.`,
    errors: [{ pointer: `/${name}`, detail }],
  });
}
