import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type System, startSystem } from "../support/system.ts";
import { CLIENT_ID, newTarget, send, tokenOf } from "./http-callers.ts";
import { type Caller, type Row, rows, type Target } from "./matrix.ts";
import { snapshot } from "./snapshot.ts";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const strangers: readonly Caller[] = ["owner", "administrator", "anonymous"];
const internalRows = rows.filter(({ scope }) => scope === "internal");

let system: System;
let target: Target;
let tokens: (string | undefined)[];

beforeAll(async () => {
  system = await startSystem({ environment: { OIDC_CLIENT_ID: CLIENT_ID } });
  target = await newTarget(system);
  const row = internalRows[0] as Row;
  tokens = await Promise.all(strangers.map((caller) => tokenOf(system, caller, row, target)));
}, 60_000);
afterAll(() => system.stop());

/** The addresses by which a gateway that maps names to actions would offer one. */
function spellingsOf(action: string): string[] {
  const [service, name] = action.split(".") as [string, string];
  const kebab = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const names = [...new Set([name, kebab])];
  const addresses = names.flatMap((each) => [
    `/${service}.${each}`,
    `/${service}/${each}`,
    `/${each}`,
    `/v1/${service}.${each}`,
    `/v1/${service}/${each}`,
    `/v1/${each}`,
    `/~${service}/${each}`,
    `/$${service}/${each}`,
    `//${service}/${each}`,
    `/v1/me/${each}/`,
    `/${service}%2F${each}`,
    `/${service}%2e${each}`,
    `/${service}/../${service}.${each}`,
  ]);
  return [...addresses, ...addresses.map((address) => `/api${address}`)];
}

/** Addresses at which the last step is the id of something. */
const BY_ID = /^(\/api)?\/v1\/(portfolios|accounts|tokens)\/[^/]+$/;

describe("what only services may call", () => {
  it.each(internalRows.map((row): [string, Row] => [row.action, row]))(
    "%s has no address, in any spelling, for anyone",
    async (action, row) => {
      const before = await snapshot(system.database);
      const requests = spellingsOf(action).flatMap((path) =>
        METHODS.flatMap((method) => tokens.map((token) => ({ method, path, token }))),
      );
      const replies = await Promise.all(
        requests.map(async ({ method, path, token }) => {
          const reply = await send(system, token, { method, path, members: flat(row.params(target)) });
          return { method, path, status: reply.status, text: await reply.text() };
        }),
      );
      for (const { path, text, ...reply } of replies) {
        // There the name is taken for an id, and is none.
        if (BY_ID.test(path)) expect([400, 401, 405]).toContain(reply.status);
        else expect({ path, ...reply }).toEqual({ path, method: reply.method, status: 404 });
        expect(text).not.toContain(target.userId);
      }
      expect(await snapshot(system.database)).toEqual(before);
    },
  );

  it.each([
    "/$node/list",
    "/$node.list",
    "/$node/actions",
    "/$node.options",
    "/~node/services",
    "/node/list",
    "/v1/$node/health",
    "/api/$node/health",
    "/list-aliases",
    "/api/list-aliases",
    "/v1/list-aliases",
    "/gateway/listAliases",
    "/gateway/list-aliases",
    "/gateway.listAliases",
    "/gateway/rest",
    "/gateway.rest",
    "/v1/gateway/rest",
    "/gateway/addRoute",
    "/gateway/removeRoute",
  ])("the broker's and moleculer-web's own actions have no address: %s", async (path) => {
    for (const method of METHODS) {
      for (const token of tokens) {
        const reply = await send(system, token, { method, path, members: {} });
        expect([method, reply.status, reply.headers.get("content-type")]).toEqual([
          method,
          404,
          "application/problem+json",
        ]);
        await reply.arrayBuffer();
      }
    }
  });
});

/** Only what a query can say as well; what is nested it cannot. */
function flat(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => typeof value === "string"));
}
