import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type System, startSystem } from "../support/system.ts";
import { CLIENT_ID, newTarget, send } from "./http-callers.ts";

let system: System;

beforeAll(async () => {
  system = await startSystem({ environment: { OIDC_CLIENT_ID: CLIENT_ID } });
}, 60_000);
afterAll(() => system.stop());

const newToken = () => ({
  method: "POST",
  path: "/v1/tokens",
  members: {
    name: "Late",
    scopes: ["portfolios:read"],
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
  },
});

describe("while a gateway does not know yet that a token is revoked", () => {
  it.each([
    ["the caller's session has ended", "/v1/logout"],
    ["an administrator has revoked its user", undefined],
  ])("it makes no personal access token when %s", async (_, logout) => {
    const target = await newTarget(system);
    const administrator = await system.issuer.token("root", {
      claims: { realm_access: { roles: ["administrator"] } },
    });
    const ended = await send(system, logout ? target.accessToken : administrator, {
      method: "POST",
      path: logout ?? `/v1/users/${target.userId}/revoke`,
      members: {},
    });
    expect(ended.status).toBe(204);
    expect((await send(system, target.accessToken, newToken())).status).toBe(401);
    const names = await system.database.query(
      "select name from auth.personal_access_tokens where user_id = $1 and name = 'Late'",
      [target.userId],
    );
    expect(names).toEqual([]);
  });

  it("it writes nothing that a user's erasure leaves behind", async () => {
    const target = await newTarget(system);
    const portfolio = { method: "POST", path: "/v1/portfolios", members: { name: "Late" } };
    let isErased = false;
    const erasure = send(system, target.accessToken, { method: "DELETE", path: "/v1/me", members: {} });
    const erased = erasure.then(({ status }) => {
      isErased = true;
      return status;
    });
    const statuses = new Set<number>();
    // The first of them are let in, as a rule.
    while (!isErased) {
      statuses.add((await send(system, target.accessToken, portfolio)).status);
      // A gateway soon stops asking about bad tokens of a client that sends nothing else.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await erased).toBe(204);
    expect([201, 401]).toEqual(expect.arrayContaining([...statuses]));
    expect((await send(system, target.accessToken, portfolio)).status).toBe(401);
    for (const [table, column] of [
      ["portfolios.portfolios", "user_id"],
      ["auth.personal_access_tokens", "user_id"],
      ["auth.audit_events", "user_id"],
      ["users.users", "id"],
    ]) {
      const rows = await system.database.query(`select 1 from ${table} where ${column} = $1`, [
        target.userId,
      ]);
      expect([table, rows.length]).toEqual([table, 0]);
    }
  });
});
