// What the compiler refuses, and must go on refusing. Nothing here runs: `npm run types` reads it.
import { z } from "zod";
import { type Call, contract, hears } from "../../services/common/contract.ts";
import type { ConnectionPool } from "../../services/common/database/pool.ts";
import type { Query } from "../../services/common/database/transaction.ts";
import { openEvents } from "../../services/common/events.ts";
import { implement } from "../../services/common/implement.ts";

const Thing = z.strictObject({ id: z.string(), size: z.number() });

const things = contract("things", {
  get: {
    summary: "Get a thing.",
    scope: "portfolios:read",
    http: "GET /v1/things/{id}",
    params: z.strictObject({ id: z.string(), limit: z.int().optional() }),
    result: Thing,
    problems: ["PORTFOLIO_NOT_FOUND"],
  },
  count: { summary: "Count things.", scope: "internal", params: z.strictObject({}), result: z.number() },
});
const others = contract("others", {
  touch: { summary: "Touch.", scope: "portfolios:write", params: z.strictObject({}), result: z.null() },
});

const thing = { id: "a", size: 1 };

/** What is right compiles; without it, the refusals below would prove nothing. */
implement({
  contract: things,
  uses: [others],
  handlers: {
    async get({ params, principal, call, problem }) {
      const touched: null = await call("others.touch", {});
      if (params.limit === 0 || touched !== null)
        throw problem("PORTFOLIO_NOT_FOUND", { detail: principal.userId });
      return { id: params.id, size: params.limit ?? 0 };
    },
    async count({ principal }) {
      const nobody: undefined = principal;
      return nobody === undefined ? 1 : 0;
    },
  },
});

const count = async () => 1;

implement({
  contract: things,
  // @ts-expect-error An entry of the contract needs a handler.
  handlers: { count },
});

implement({
  contract: things,
  // @ts-expect-error A handler needs an entry in the contract.
  handlers: { get: async () => thing, count, remove: async () => null },
});

implement({
  contract: things,
  handlers: {
    // @ts-expect-error The result is not the contract's: a member is missing.
    get: async () => ({ id: "a" }),
    // @ts-expect-error The result is not the contract's: another type.
    count: async () => "1",
  },
});

implement({
  contract: things,
  handlers: {
    async get({ params }) {
      // @ts-expect-error The action has no such parameter.
      params.name;
      // @ts-expect-error The parameter may be absent.
      params.limit.toFixed();
      return thing;
    },
    count,
  },
});

implement({
  contract: things,
  handlers: {
    async get({ problem }) {
      // @ts-expect-error The contract does not declare this problem for this action.
      throw problem("PRECONDITION_FAILED");
    },
    async count({ problem }) {
      // @ts-expect-error The contract declares no problem for this action.
      throw problem("PORTFOLIO_NOT_FOUND");
    },
  },
});

implement({
  contract: things,
  handlers: {
    get: async () => thing,
    async count({ principal }) {
      // @ts-expect-error An internal action has no principal: no user's token reaches it.
      return principal.userId.length;
    },
  },
});

implement({
  contract: things,
  handlers: {
    async get({ call }) {
      // @ts-expect-error The service does not say that it uses this contract.
      await call("others.touch", {});
      return thing;
    },
    count,
  },
});

export async function calls(call: Call<typeof things | typeof others>): Promise<void> {
  const { size }: { size: number } = await call("things.get", { id: "a" });
  // @ts-expect-error There is no such action.
  await call("things.remove", { id: "a" });
  // @ts-expect-error There is no such service.
  await call("nothing.get", { id: "a" });
  // @ts-expect-error A parameter is missing.
  await call("things.get", {});
  // @ts-expect-error A parameter has another type.
  await call("things.get", { id: size });
  // @ts-expect-error The action has no such parameter.
  await call("things.get", { id: "a", user_id: "b" });
  // @ts-expect-error The parameters are another action's.
  await call("others.touch", { id: "a" });
  // @ts-expect-error The result has no such member.
  (await call("things.get", { id: "a" })).name;
}

const members = { summary: "Do it.", params: z.strictObject({}), result: z.null() };

// @ts-expect-error An internal action has no route: nothing outside may reach it.
contract("wrong", { act: { ...members, scope: "internal", http: "GET /v1/acts" } });

// @ts-expect-error A public action is there for its route.
contract("wrong", { act: { ...members, scope: "public" } });

// @ts-expect-error There is no such scope.
contract("wrong", { act: { ...members, scope: "everything" } });

// @ts-expect-error An action without a scope would be open to everyone.
contract("wrong", { act: { ...members } });

// @ts-expect-error A route begins with a method.
contract("wrong", { act: { ...members, scope: "profile:read", http: "/v1/acts" } });

// @ts-expect-error The table of problems has no such code.
contract("wrong", { act: { ...members, scope: "profile:read", problems: ["OUT_OF_LUCK"] } });

// @ts-expect-error Parameters are an object.
contract("wrong", { act: { ...members, scope: "profile:read", params: z.array(z.string()) } });

const tellers = contract(
  "tellers",
  {},
  {
    events: {
      "tellers.said": z.strictObject({ number: z.int(), mood: z.string().optional() }),
      "tellers.left": z.strictObject({}),
    },
  },
);
const listeners = contract("listeners", {
  heard: hears(tellers, "tellers.said", "Hear it."),
  touch: { ...members, scope: "internal" },
});

export async function events(query: Query, pool: ConnectionPool): Promise<void> {
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const told = openEvents({ contract: tellers, pool, log, hearers: new Map() });
  await told.store(query, "tellers.said", "a", { number: 1 });
  // @ts-expect-error The contract has no such event.
  await told.store(query, "tellers.shouted", "a", { number: 1 });
  // @ts-expect-error The event is another service's.
  await told.store(query, "listeners.heard", "a", { number: 1 });
  // @ts-expect-error A member is missing.
  await told.store(query, "tellers.said", "a", {});
  // @ts-expect-error A member has another type.
  await told.store(query, "tellers.said", "a", { number: "1" });
  // @ts-expect-error The event carries no such member.
  await told.store(query, "tellers.said", "a", { number: 1, text: "" });
  // @ts-expect-error What it carries is another event's.
  await told.store(query, "tellers.left", "a", { number: 1 });
  // @ts-expect-error A member has another type, in one of several.
  await told.storeAll(query, "tellers.said", [{ aggregateId: "a", payload: { number: null } }]);
  // @ts-expect-error The contract tells nothing.
  await openEvents({ contract: others, pool, log, hearers: new Map() }).store(query, "others.left", "a", {});

  const heard = openEvents({ contract: listeners, pool, log, hearers: new Map() });
  const touch = async () => null;
  implement({
    contract: listeners,
    handlers: {
      heard: heard.hearing("heard", async (_, { event_id, payload }) => {
        const { number, mood }: { number: number; mood?: string | undefined } = payload;
        // @ts-expect-error The event carries no such member.
        payload.text;
        event_id.at(number + (mood?.length ?? 0));
      }),
      touch,
    },
  });
  // @ts-expect-error This action hears nothing.
  heard.hearing("touch", async () => undefined);
  // @ts-expect-error An event may be heard with its handler only.
  implement({ contract: listeners, handlers: { touch } });
}

// @ts-expect-error Nobody tells such an event.
hears(tellers, "tellers.shouted", "Hear it.");

// @ts-expect-error An event begins with its service's name.
contract("wrong", {}, { events: { "other.said": z.strictObject({}) } });

// @ts-expect-error An event carries an object.
contract("wrong", {}, { events: { "wrong.said": z.string() } });

// @ts-expect-error Only an internal action hears.
contract("wrong", { act: { ...members, scope: "profile:read", hears: "tellers.said" } });
