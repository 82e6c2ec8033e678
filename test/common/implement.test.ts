import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Middleware, ServiceBroker } from "moleculer";
import type { Principal } from "../../services/common/principal.ts";
import { problemOf } from "../../services/common/problem.ts";
import { principalOf } from "../support/broker.ts";
import { innerService, outerService } from "./example-services.ts";
import { type Nodes, natsNodes } from "./nodes.ts";

let nodes: Nodes;
let caller: ServiceBroker;
const received: { meta?: object; action?: string; success?: boolean }[] = [];
const logged: unknown[] = [];

/** Keeps the packets that come to the caller, as they are on the wire. */
const wiretap: Middleware = {
  name: "Wiretap",
  transporterReceive: (next) =>
    ((command: string, data: Buffer) => {
      if (command === "RES") received.push(JSON.parse(data.toString()));
      return next(command, data);
    }) as never,
};

beforeAll(async () => {
  nodes = natsNodes();
  await nodes.start([innerService]);
  const callee = await nodes.start([outerService]);
  callee.logger.error = (...message: unknown[]) => void logged.push(message);
  caller = await nodes.start([], [wiretap]);
  await caller.waitForServices(["inner", "outer"], 10_000);
});
afterAll(() => nodes.stop());

async function problemFrom(work: Promise<unknown>): Promise<ReturnType<typeof problemOf>> {
  return work.then(
    (result) => {
      throw new Error(`It succeeded: ${JSON.stringify(result)}`);
    },
    (error: unknown) => problemOf(error),
  );
}

function act(principal: unknown, params: object = { size: 1 }): Promise<unknown> {
  return caller.call("outer.act", params, { meta: principal === undefined ? {} : { principal } });
}

describe("an action that is called without the gateway", () => {
  it("answers those who may", async () => {
    const userId = randomUUID();
    await expect(act(principalOf(userId))).resolves.toEqual({ size: 1, user_id: userId });
    await expect(act(principalOf(userId, { scopes: ["portfolios:write"] }))).resolves.toMatchObject({
      size: 1,
    });
  });

  it("checks its parameters", async () => {
    const principal = principalOf(randomUUID());
    await expect(problemFrom(act(principal, { size: 0, other: 1 }))).resolves.toMatchObject({
      code: "VALIDATION_FAILED",
      data: { errors: [{ pointer: "/size" }, { pointer: "/other" }] },
    });
    await expect(
      problemFrom(caller.call("outer.act", undefined, { meta: { principal } })),
    ).resolves.toMatchObject({
      code: "VALIDATION_FAILED",
    });
  });

  const good = principalOf(randomUUID());
  const { issuer: _, ...withoutIssuer } = good;
  it.each<[string, unknown]>([
    ["none", undefined],
    ["null", null],
    ["a text", "admin"],
    ["one without an issuer", withoutIssuer],
    ["one whose user is no id", { ...good, userId: "1" }],
    ["one with an unknown scope", { ...good, scopes: ["everything"] }],
    ["one with more than belongs to it", { ...good, isAdministrator: true }],
    ["one with too many roles", { ...good, roles: Array.from({ length: 51 }, () => "r") }],
    ["one that has expired", principalOf(randomUUID(), { expiresAt: Math.floor(Date.now() / 1000) - 31 })],
  ])("refuses as principal %s", async (_, principal) => {
    await expect(problemFrom(act(principal))).resolves.toEqual({ code: "UNAUTHENTICATED", data: {} });
  });

  it.each<[string, Principal["scopes"]]>([
    ["another scope", ["portfolios:read"]],
    ["no scope", []],
  ])("refuses a principal with %s", async (_, scopes) => {
    await expect(problemFrom(act({ ...good, scopes }))).resolves.toEqual({ code: "FORBIDDEN", data: {} });
  });
});

describe("what a handler throws", () => {
  const fail = (how: string) => problemFrom(caller.call("outer.fail", { how }));

  it("is told to the caller when the contract declares it, or when any action may answer with it", async () => {
    await expect(fail("declared")).resolves.toEqual({
      code: "PORTFOLIO_NOT_FOUND",
      data: { detail: "It is gone." },
    });
    await expect(fail("common")).resolves.toEqual({ code: "FORBIDDEN", data: {} });
    await expect(fail("database")).resolves.toEqual({ code: "DATABASE_UNAVAILABLE", data: {} });
    expect(logged).toEqual([]);
  });

  it.each(["undeclared", "bug", "undefined", "null", "text", "nested"])(
    "is an INTERNAL_ERROR that tells nothing, and is logged with its request's id: %s",
    async (how) => {
      logged.length = 0;
      received.length = 0;
      const requestID = randomUUID();
      const call = caller.call("outer.fail", { how }, { requestID });
      await expect(problemFrom(call)).resolves.toEqual({ code: "INTERNAL_ERROR", data: {} });
      expect(JSON.stringify(received)).not.toMatch(/secret|something else|TypeError/);
      expect(logged).toEqual([
        [expect.objectContaining({ action: "outer.fail", requestId: requestID }), "Unexpected error."],
      ]);
    },
  );
});

describe("what travels with a call", () => {
  it("is not sent back: neither the principal nor anything else of its meta", async () => {
    received.length = 0;
    await act(principalOf(randomUUID()));
    await problemFrom(act(principalOf(randomUUID()), { size: 0 }));
    expect(received.map(({ success, meta }) => [success, meta])).toEqual([
      [true, {}],
      [false, {}],
    ]);
  });

  it("is the request's id, over every hop", async () => {
    const requestID = randomUUID();
    const answer = await caller.call("outer.pass", { wait_ms: 0 }, { requestID });
    expect(answer).toMatchObject({ request_id: requestID, inner: { request_id: requestID } });
  });

  it("is the time that is left: each hop has less of it, and a call within a call has what is left then", async () => {
    const answer = (await caller.call("outer.pass", { wait_ms: 100 }, { timeout: 5_000 })) as {
      before_ms: number;
      inner: { remaining_ms: number };
    };
    expect(answer.before_ms).toBeLessThanOrEqual(5_000);
    expect(answer.before_ms).toBeGreaterThan(3_000);
    // Two pauses of 100 ms lie between; timers may be a millisecond early.
    expect(answer.inner.remaining_ms).toBeLessThanOrEqual(answer.before_ms - 198);
    expect(answer.inner.remaining_ms).toBeGreaterThan(0);
  });

  it("ends every hop when the time is over", async () => {
    await expect(problemFrom(caller.call("outer.pass", { wait_ms: 200 }, { timeout: 300 }))).resolves.toEqual(
      {
        code: "DEADLINE_EXCEEDED",
        data: {},
      },
    );
  });

  it("is no time at all where the broker sets none", async () => {
    const local = new ServiceBroker({ logger: false, validator: false, skipProcessEventRegistration: true });
    local.createService(innerService);
    await local.start();
    await expect(local.call("inner.remaining", { wait_ms: 0 })).resolves.toMatchObject({
      remaining_ms: null,
    });
    await local.stop();
  });
});
