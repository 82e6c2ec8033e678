import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import auth from "../../services/auth/auth.service.ts";
import portfolios from "../../services/portfolios/portfolios.service.ts";
import users from "../../services/users/users.service.ts";
import { LARGE, Neighbours, SMALL } from "../portfolios/valued-services.ts";
import { expectProblem, type Send, senderTo } from "./http.ts";
import { type InProcess, startGateway } from "./in-process.ts";

const neighbours = new Neighbours();
let services: InProcess;
let send: Send;
let btc: string;
let large: string;

beforeAll(async () => {
  services = await startGateway([auth, users, ...neighbours.modules, portfolios]);
  send = senderTo(services);
  btc = neighbours.know({ symbol: "BTC", price: SMALL });
  large = neighbours.know({ symbol: "LARGE", price: LARGE });
});
afterAll(() => services.stop());

async function someone(holdings: readonly (readonly [string, string])[], members: object) {
  const user = `user-${randomUUID()}`;
  const { id: userId } = (await (await send(user, "GET", "/v1/me")).json()) as { id: string };
  const created = await send(user, "POST", "/v1/portfolios", { body: { name: "Main", ...members } });
  const { id } = (await created.json()) as { id: string };
  const account_ids = [neighbours.account(userId, holdings)];
  await send(user, "PUT", `/v1/portfolios/${id}/accounts`, { body: { account_ids } });
  return { user, path: `/v1/portfolios/${id}`, id };
}

describe("GET /v1/portfolios/{id}/drift", () => {
  it("answers figures as JSON numbers of exact digits", async () => {
    const targets = { target_allocation: { BTC: 25, LARGE: 75 }, guardrails: { drift_band: 12.5 } };
    const { user, path, id } = await someone(
      [
        ["BTC", LARGE],
        ["LARGE", SMALL],
      ],
      targets,
    );
    const reply = await send(user, "GET", `${path}/drift`);
    expect(reply.status).toBe(200);
    expect((await reply.text()).replace(/"as_of":"[^"]+"/, '"as_of":""')).toBe(
      `{"portfolio_id":"${id}","total_value_usd":2,"incomplete":false,"breached":true,"assets":[` +
        `{"asset":"BTC","asset_id":"${btc}","value_usd":1,"target_pct":25,"current_pct":50,"difference_pct":25,"band_pct":12.5,"breached":true,"targeted":true,"unpriced":false},` +
        `{"asset":"LARGE","asset_id":"${large}","value_usd":1,"target_pct":75,"current_pct":50,"difference_pct":-25,"band_pct":12.5,"breached":true,"targeted":true,"unpriced":false}],` +
        `"guardrails":[{"guardrail":"drift_band","limit_pct":12.5,"current_pct":25,"breached":true},` +
        `{"guardrail":"stablecoin_min","limit_pct":0,"current_pct":0,"breached":false},` +
        `{"guardrail":"futures_cap","limit_pct":100,"current_pct":0,"breached":false},` +
        `{"guardrail":"max_alt_cap","limit_pct":100,"current_pct":50,"breached":false}],"as_of":""}`,
    );
  });

  it("answers without targets too, and says why there are no differences", async () => {
    const { user, path } = await someone([["BTC", LARGE]], {});
    const reply = await send(user, "GET", `/api${path}/drift`);
    expect([reply.status, await reply.json()]).toMatchObject([
      200,
      { reason: "no_targets", breached: false, assets: [{ current_pct: 100, difference_pct: null }] },
    ]);
  });

  it("refuses what it does not know", async () => {
    const { user, path } = await someone([], {});
    const reply = await send(user, "GET", `${path}/drift?band=5`);
    await expectProblem(reply, "VALIDATION_FAILED", 400, ["/band"]);
  });
});

describe("a personal access token that may only read one portfolio", () => {
  it("reads what it holds and its drift, and neither changes it nor reads another", async () => {
    const { user, path, id } = await someone([["BTC", LARGE]], {});
    const other = (await (
      await send(user, "POST", "/v1/portfolios", { body: { name: "Other" } })
    ).json()) as { id: string };
    const made = await send(user, "POST", "/v1/tokens", {
      body: {
        name: "script",
        scopes: ["portfolios:read"],
        portfolio_id: id,
        expires_at: new Date(Date.now() + 86_400_000).toISOString(),
      },
    });
    expect(made.status).toBe(201);
    const { token } = (await made.json()) as { token: string };
    const headers = { Authorization: `Bearer ${token}` };
    for (const name of ["holdings", "drift", "accounts"]) {
      expect((await send(undefined, "GET", `${path}/${name}`, { headers })).status).toBe(200);
      const elsewhere = await send(undefined, "GET", `/v1/portfolios/${other.id}/${name}`, { headers });
      await expectProblem(elsewhere, "PORTFOLIO_NOT_FOUND", 404);
    }
    for (const [method, name] of [
      ["POST", "construct"],
      ["PUT", "accounts"],
    ] as const) {
      const body = method === "PUT" ? { account_ids: [] } : undefined;
      const reply = await send(undefined, method, `${path}/${name}`, { headers, ...(body && { body }) });
      await expectProblem(reply, "FORBIDDEN", 403);
    }
  });
});
