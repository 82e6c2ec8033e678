import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { contracts } from "../../services/gateway/contracts.ts";
import { checkedProblem } from "../gateway/http.ts";
import { type CoinPaprika, startCoinPaprika } from "../support/providers/coinpaprika.ts";
import { type System, startSystem } from "../support/system.ts";
import { partsOf } from "./belongings.ts";
import { CLIENT_ID, newDeletedTarget, newTarget, send, tokenOf } from "./http-callers.ts";
import {
  type Caller,
  callers,
  guardedRows,
  type Outcome,
  outcomeOf,
  ownIdsOf,
  type Row,
  requestsOf,
  rows,
  systemMembers,
  type Target,
  withUnknownIds,
} from "./matrix.ts";
import { snapshot } from "./snapshot.ts";

let system: System;
let prices: CoinPaprika;
let deleted: Target;

beforeAll(async () => {
  prices = await startCoinPaprika([
    { id: "btc-bitcoin", symbol: "BTC", name: "Bitcoin", rank: 1, price: "100000" },
  ]);
  const environment = {
    OIDC_CLIENT_ID: CLIENT_ID,
    COINPAPRIKA_URL: prices.url,
    OUTGOING_PRIVATE_HOSTS: new URL(prices.url).host,
  };
  system = await startSystem({ environment });
  deleted = await newDeletedTarget(system);
}, 60_000);
afterAll(async () => {
  await system.stop();
  await prices.stop();
});

/** The first route has a cell for each caller; the others lead to the same action, so two tell whether they guard it. */
const cells = rows.flatMap((row) =>
  requestsOf(contracts, row.action, {}).flatMap(({ method, path }, route) =>
    callers
      .filter((caller) => route === 0 || caller === "anonymous" || caller === "other")
      .map((caller): [string, Caller, string, Cell] => {
        const outcome = outcomeOf(row, caller, "http");
        return [row.title, caller, `${method} ${path}`, { row, caller, route, outcome }];
      }),
  ),
);

interface Cell {
  readonly row: Row;
  readonly caller: Caller;
  /** Which of the action's routes. */
  readonly route: number;
  readonly outcome: Outcome;
}

interface Reply {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly text: string;
}

/** Sends a cell's request about a target. */
async function ask({ row, route }: Cell, token: string | undefined, target: Target): Promise<Reply> {
  const request = requestsOf(contracts, row.action, row.params(target))[route];
  if (!request) throw new Error(`${row.title} has no route ${route}`);
  const reply = await send(system, token, request, row.action === "auth.backchannelLogout");
  const headers = [...reply.headers].filter(
    ([name]) => !["date", "x-request-id", "ratelimit"].includes(name),
  );
  return { status: reply.status, headers, text: await reply.text() };
}

/** Whether a row's request names something of its target's. */
function namesTarget({ params }: Row, target: Target): boolean {
  const { expires_at: _, ...known } = params(target);
  const { expires_at: __, ...unknown } = params(withUnknownIds(target));
  return JSON.stringify(known) !== JSON.stringify(unknown);
}

describe("over HTTP", () => {
  it.each(cells)("%s by %s is as declared: %s", async (_title, caller, _route, cell) => {
    const { row, outcome } = cell;
    const target = caller === "deleted" ? deleted : await newTarget(system, partsOf[row.action]);
    const token = await tokenOf(system, caller, row, target);
    const isStranger = caller === "other" || caller === "administrator" || caller === "anonymous";
    const ids = ownIdsOf(target);
    // What is refused changes nothing at all; what a stranger does succeeds with the stranger's own things.
    const watched = outcome.problem ? undefined : ids;
    const isWatched = outcome.problem || (isStranger && !namesTarget(row, target) && row.scope !== "public");
    const before = isWatched && (await snapshot(system.database, watched));
    const reply = await ask(cell, token, target);
    expect([reply.status, reply.text]).toEqual([outcome.status, expect.any(String)]);
    if (isWatched) {
      const after = await snapshot(system.database, watched);
      // What a script may try is written down before it is tried.
      const ignored = caller === "confined" ? { "auth.audit_events": expect.any(String) } : {};
      expect(after).toEqual({ ...before, ...ignored });
    }
    if (outcome.problem) checkedProblem(reply.text, outcome.problem, outcome.status);
    if (isStranger) for (const id of ids) expect(reply.text).not.toContain(id);
    if (isStranger && outcome.problem) expect(await ask(cell, token, withUnknownIds(target))).toEqual(reply);
  });
});

/** Someone who is let in, so that nothing but the request is wrong. */
function entitledTo(row: Row, target: Target): Promise<string | undefined> {
  return tokenOf(system, row.scope.endsWith(":administer") ? "administrator" : "owner", row, target);
}

describe("members that only the system sets", () => {
  it.each(guardedRows.map((row): [string, Row] => [row.title, row]))(
    "are refused by %s in body and query, at every route, and nothing is written",
    async (_, row) => {
      const target = await newTarget(system);
      const token = await entitledTo(row, target);
      const before = await snapshot(system.database);
      for (const request of requestsOf(contracts, row.action, row.params(target))) {
        for (const name of systemMembers) {
          const added = Object.defineProperty({ ...request.members }, name, {
            value: target.userId,
            enumerable: true,
          });
          const isInQuery = request.method === "GET" || request.method === "DELETE";
          const inQuery = { ...request, path: `${request.path}?${name}=1` };
          const inBody = request.bodyMember === undefined ? [{ ...request, members: added }] : [];
          for (const each of [...inBody, ...(isInQuery ? [] : [inQuery])]) {
            const reply = await send(system, token, each);
            const { errors } = checkedProblem(await reply.text(), "VALIDATION_FAILED", 400);
            expect([each.path, errors?.map(({ pointer }) => pointer)]).toEqual([each.path, [`/${name}`]]);
          }
        }
      }
      expect(await snapshot(system.database)).toEqual(before);
    },
  );

  it.each(guardedRows.filter(namesPathId).map((row): [string, Row] => [row.title, row]))(
    "are no ids in the path of %s",
    async (_, row) => {
      const target = await newTarget(system);
      const token = await entitledTo(row, target);
      for (const request of requestsOf(contracts, row.action, { ...row.params(target), id: "{id}" })) {
        for (const name of systemMembers) {
          const reply = await send(system, token, { ...request, path: request.path.replace("{id}", name) });
          checkedProblem(await reply.text(), "VALIDATION_FAILED", 400);
        }
      }
    },
  );
});

function namesPathId({ action }: Row): boolean {
  return requestsOf(contracts, action, {}).some(({ path }) => path.includes("{id}"));
}
