import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Errors, type ServiceBroker, type ServiceSchema } from "moleculer";
import {
  isProblem,
  type ProblemCode,
  problem,
  problemKinds,
  problemOf,
} from "../../services/common/problem.ts";
import { type Nodes, natsNodes } from "./nodes.ts";

const codes = Object.keys(problemKinds) as ProblemCode[];
const data = { detail: "It went wrong.", errors: [{ pointer: "/name", detail: "is required" }] };

/** Moleculer types actions of a schema tighter than it runs them. */
const failing = {
  name: "failing",
  actions: {
    withProblem: ({ params }: { params: { code: ProblemCode } }) => {
      throw problem(params.code, data);
    },
    withInternals: () => {
      throw Object.assign(new Error("select * from secrets"), { code: "42P01", table: "secrets" });
    },
    afterAWhile: () => new Promise((resolve) => setTimeout(resolve, 2_000)),
  },
} as unknown as ServiceSchema;

async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("the table of problems", () => {
  it.each(codes)(
    "%s has a status of its kind, a title that is a sentence, and Retry-After where the same may succeed soon",
    (code) => {
      const kind: { status: number; title: string; retryAfterSeconds?: number } = problemKinds[code];
      expect(kind.status).toBeGreaterThanOrEqual(400);
      expect(kind.status).toBeLessThan(600);
      expect(kind.title).toMatch(/^[A-Z].*\.$/);
      expect(kind.retryAfterSeconds !== undefined).toBe(
        kind.status === 503 || code === "IDEMPOTENCY_KEY_IN_USE",
      );
    },
  );

  it.each(codes)("problemOf knows %s again", (code) => {
    expect(problemOf(problem(code, data))).toEqual({ code, data });
    expect(isProblem(problem(code), code)).toBe(true);
  });
});

describe("problemOf", () => {
  it.each<[string, Error, ProblemCode]>([
    ["no such service", new Errors.ServiceNotFoundError({ action: "a.b" }), "SERVICE_UNAVAILABLE"],
    ["no replica of it", new Errors.ServiceNotAvailableError({ action: "a.b" }), "SERVICE_UNAVAILABLE"],
    ["no broker", new Errors.BrokerDisconnectedError("Broker is disconnected!"), "SERVICE_UNAVAILABLE"],
    [
      "a lost replica",
      new Errors.RequestRejectedError({ action: "a.b", nodeID: "n" }),
      "SERVICE_UNAVAILABLE",
    ],
    [
      "a full queue",
      new Errors.QueueIsFullError({ action: "a.b", nodeID: "n", service: "a", size: 1, limit: 1 }),
      "OVERLOADED",
    ],
    ["a timeout", new Errors.RequestTimeoutError({ action: "a.b", nodeID: "n" }), "DEADLINE_EXCEEDED"],
    ["no time left", new Errors.RequestSkippedError({ action: "a.b", nodeID: "n" }), "DEADLINE_EXCEEDED"],
  ])("answers 503 for %s, and tells nothing of it", (_, error, code) => {
    expect(problemOf(error)).toEqual({ code, data: {} });
    expect(problemKinds[code].status).toBe(503);
  });

  it("tells a client's slowness from a timeout between services", () => {
    expect(problemOf(problem("REQUEST_TIMEOUT")).code).toBe("REQUEST_TIMEOUT");
  });

  it.each([
    ["an error of the code", new TypeError("x is not a function")],
    ["an error of the database", Object.assign(new Error("relation does not exist"), { code: "42P01" })],
    [
      "an error with another type",
      Object.assign(new Error("no"), { type: "SOMETHING", data: { secret: 1 } }),
    ],
    [
      "an error with the type of what every object has",
      Object.assign(new Error("no"), { type: "constructor" }),
    ],
    ["a text", "no"],
    ["nothing", undefined],
    ["null", null],
  ])("takes %s for INTERNAL_ERROR, and tells nothing of it", (_, error) => {
    expect(problemOf(error)).toEqual({ code: "INTERNAL_ERROR", data: {} });
  });
});

describe("a problem on its way over NATS", () => {
  let nodes: Nodes;
  let caller: ServiceBroker;
  beforeAll(async () => {
    nodes = natsNodes();
    await nodes.start([failing]);
    caller = await nodes.start();
    await caller.waitForServices("failing", 10_000);
  });
  afterAll(() => nodes.stop());

  it("keeps its code, status and data, and loses its stack", async () => {
    for (const code of codes) {
      const error = await errorOf(caller.call("failing.withProblem", { code }));
      expect(problemOf(error)).toEqual({ code, data });
      expect(error).toMatchObject({ code: problemKinds[code].status, message: problemKinds[code].title });
      expect((error as Error).stack ?? "").not.toContain("problem.test");
    }
  });

  it("is INTERNAL_ERROR when it was none", async () => {
    const error = await errorOf(caller.call("failing.withInternals"));
    expect(problemOf(error)).toEqual({ code: "INTERNAL_ERROR", data: {} });
    expect(JSON.stringify(error)).not.toContain("table");
  });

  it("is 503 when there is nobody to ask, and when the answer does not come in time", async () => {
    expect(problemOf(await errorOf(caller.call("nobody.act"))).code).toBe("SERVICE_UNAVAILABLE");
    const timeout = await errorOf(caller.call("failing.afterAWhile", {}, { timeout: 100 }));
    expect(problemOf(timeout).code).toBe("DEADLINE_EXCEEDED");
  });
});
