import { z } from "zod";
import { contract } from "../../services/common/contract.ts";
import { implement } from "../../services/common/implement.ts";
import { problem } from "../../services/common/problem.ts";

const inner = contract("inner", {
  remaining: {
    summary: "Tell how much time is left.",
    scope: "internal",
    params: z.strictObject({ wait_ms: z.int() }),
    result: z.strictObject({ remaining_ms: z.number().nullable(), request_id: z.string() }),
  },
  fail: {
    summary: "Fail in a way that the caller's contract does not know.",
    scope: "internal",
    params: z.strictObject({}),
    result: z.null(),
    problems: ["PRECONDITION_FAILED"],
  },
});

const outer = contract("outer", {
  act: {
    summary: "Act.",
    scope: "portfolios:write",
    params: z.strictObject({ size: z.int().min(1) }),
    result: z.strictObject({ size: z.number(), user_id: z.string() }),
  },
  fail: {
    summary: "Fail.",
    scope: "internal",
    params: z.strictObject({ how: z.string() }),
    result: z.null(),
    problems: ["PORTFOLIO_NOT_FOUND"],
  },
  pass: {
    summary: "Wait, then ask the other service.",
    scope: "internal",
    params: z.strictObject({ wait_ms: z.int() }),
    result: z.strictObject({
      before_ms: z.number().nullable(),
      inner: z.strictObject({ remaining_ms: z.number().nullable(), request_id: z.string() }),
      request_id: z.string(),
    }),
  },
});

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** JSON knows no Infinity. */
const finite = (milliseconds: number) => (Number.isFinite(milliseconds) ? milliseconds : null);

/** Called by the other one. */
export const innerService = implement({
  contract: inner,
  handlers: {
    async remaining({ params, remainingMs, requestId }) {
      await pause(params.wait_ms);
      return { remaining_ms: finite(remainingMs()), request_id: requestId };
    },
    async fail({ problem }) {
      throw problem("PRECONDITION_FAILED", { detail: "This is about something else." });
    },
  },
});

const failures: Readonly<Record<string, unknown>> = {
  declared: problem("PORTFOLIO_NOT_FOUND", { detail: "It is gone." }),
  common: problem("FORBIDDEN"),
  undeclared: problem("PRECONDITION_FAILED", { detail: "secret" }),
  bug: new TypeError("secret is not a function"),
  database: Object.assign(new Error("secret"), { code: "53300" }),
  undefined: undefined,
  null: null,
  text: "secret",
};

/** Acts, fails in every way, and calls on. */
export const outerService = implement({
  contract: outer,
  uses: [inner],
  problemBehind: (error) =>
    (error as { code?: string } | undefined)?.code === "53300" ? "DATABASE_UNAVAILABLE" : undefined,
  handlers: {
    async act({ params, principal }) {
      return { size: params.size, user_id: principal.userId };
    },
    async fail({ params: { how }, call }) {
      if (how === "nested") await call("inner.fail", {});
      throw failures[how];
    },
    async pass({ params, call, remainingMs, requestId }) {
      const before = remainingMs();
      await pause(params.wait_ms);
      const answer = await call("inner.remaining", { wait_ms: params.wait_ms });
      return { before_ms: finite(before), inner: answer, request_id: requestId };
    },
  },
});
