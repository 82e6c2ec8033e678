import type { ServerResponse } from "node:http";
import { STATUS_CODES } from "node:http";
import { type ProblemCode, type ProblemData, problemKinds } from "../common/problem.ts";

/** RFC 9457, plus `error`, which existing clients show. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly error: string;
  readonly errors?: ProblemData["errors"];
}

/** `PORTFOLIO_NOT_FOUND` as `/problems/portfolio-not-found`. */
export function problemType(code: ProblemCode): string {
  return `/problems/${code.toLowerCase().replaceAll("_", "-")}`;
}

/** @param instance the route's pattern: it tells no id, so what is missing and what is another's look the same. */
export function problemDocument(code: ProblemCode, data: ProblemData, instance: string): ProblemDocument {
  const { status, title } = problemKinds[code];
  const detail = data.detail ?? title;
  return {
    type: problemType(code),
    title,
    status,
    detail,
    instance,
    error: detail,
    ...(data.errors && { errors: data.errors }),
  };
}

/** Answers with a problem, unless something was answered already. */
export function sendProblem(
  response: ServerResponse,
  code: ProblemCode,
  data: ProblemData,
  instance: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const kind: { status: number; retryAfterSeconds?: number } = problemKinds[code];
  const body = JSON.stringify(problemDocument(code, data, instance));
  response.writeHead(kind.status, STATUS_CODES[kind.status], {
    "Content-Type": "application/problem+json",
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
    ...(code === "UNAUTHENTICATED" && { "WWW-Authenticate": 'Bearer error="invalid_token"' }),
    ...(code === "FORBIDDEN" && { "WWW-Authenticate": 'Bearer error="insufficient_scope"' }),
    ...(kind.retryAfterSeconds !== undefined && { "Retry-After": String(kind.retryAfterSeconds) }),
    ...headers,
  });
  response.end(body);
}
