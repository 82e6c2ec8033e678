import { type Span as OpenSpan, SpanStatusCode } from "@opentelemetry/api";
import { type ProblemCode, problemKinds } from "../problem.ts";
import type { Span } from "../tracing.ts";

const CODE = /^\w[\w.-]{0,59}$/;
const LEAST_FAULT = 500;

/** A span of OpenTelemetry, as those see it who are traced. */
export function asSpan(span: OpenSpan): Span {
  return {
    set: (attribute, value) => void span.setAttribute(attribute, value),
    failed: (reason) => fail(span, reason),
  };
}

export function fail(span: OpenSpan, reason: string): void {
  span.setAttribute("error.type", reason);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Ends a span with what it stands for; the result is left as it is. */
export function endWith<Result>(span: OpenSpan, work: () => Result): Result {
  try {
    const result = work();
    if (!isThenable(result)) {
      span.end();
      return result;
    }
    result.then(
      () => span.end(),
      (error: unknown) => endFailed(span, error),
    );
    return result;
  } catch (error) {
    endFailed(span, error);
    throw error;
  }
}

/** A problem that is the caller's own is told, but is no failure of what was called. */
function endFailed(span: OpenSpan, error: unknown): void {
  const reason = reasonOf(error);
  if (isCallers(reason)) span.setAttribute("error.type", reason);
  else fail(span, reason);
  span.end();
}

/** What an error is, by its code; its message may quote anything. */
function reasonOf(error: unknown): string {
  const { type, code, name } = (error ?? {}) as Record<string, unknown>;
  for (const each of [type, code, name]) if (typeof each === "string" && CODE.test(each)) return each;
  return "_OTHER";
}

function isCallers(reason: string): boolean {
  return Object.hasOwn(problemKinds, reason) && problemKinds[reason as ProblemCode].status < LEAST_FAULT;
}

function isThenable(result: unknown): result is PromiseLike<unknown> {
  return typeof (result as { then?: unknown } | undefined | null)?.then === "function";
}
