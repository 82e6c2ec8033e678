import type { ProblemCode } from "../problem.ts";
import { QUERY_CANCELED } from "./sql-states.ts";

/**
 * SQLSTATE classes and codes that say: the server is there no longer, not yet, or takes nothing now; also not after
 * several attempts that concurrent transactions were in the way of.
 */
const UNAVAILABLE_STATES = /^(08|53|57P0|25006|40001|40P01)/;
/** The driver's and Node's words for a connection that broke. */
const BROKEN_CONNECTION =
  /connection (terminated|timeout)|timeout expired|query read timeout|client has encountered/i;
const NETWORK_ERRORS = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** The problem behind an error of the database or its driver; undefined for an error of another kind. */
export function databaseProblem(error: unknown): ProblemCode | undefined {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (code === QUERY_CANCELED) return "DEADLINE_EXCEEDED";
  if (typeof code === "string" && (UNAVAILABLE_STATES.test(code) || NETWORK_ERRORS.has(code))) {
    return "DATABASE_UNAVAILABLE";
  }
  return typeof message === "string" && BROKEN_CONNECTION.test(message) ? "DATABASE_UNAVAILABLE" : undefined;
}
