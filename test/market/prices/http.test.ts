import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import auth from "../../../services/auth/auth.service.ts";
import market from "../../../services/market/market.service.ts";
import users from "../../../services/users/users.service.ts";
import { expectProblem, type Send, senderTo } from "../../gateway/http.ts";
import { type InProcess, startGateway } from "../../gateway/in-process.ts";
import { type CoinGecko, startCoinGecko } from "../../support/providers/coingecko.ts";
import { type CoinPaprika, startCoinPaprika } from "../../support/providers/coinpaprika.ts";
import { paprikaCoin } from "./price-services.ts";

const PATH = "/v1/jobs/fetch-all-coins";

let services: InProcess;
let paprika: CoinPaprika;
let gecko: CoinGecko;
let send: Send;
let administratorToken: string;

beforeAll(async () => {
  paprika = await startCoinPaprika([
    paprikaCoin("btc-bitcoin", "97000", { rank: 1 }),
    paprikaCoin("new-coin", "1"),
  ]);
  gecko = await startCoinGecko();
  services = await startGateway([auth, users, market], undefined, {
    COINPAPRIKA_URL: paprika.url,
    COINGECKO_URL: gecko.url,
    OUTGOING_PRIVATE_HOSTS: [paprika, gecko].map(({ url }) => new URL(url).host).join(),
  });
  send = senderTo(services);
  administratorToken = await services.issuer.token("administrator", {
    claims: { realm_access: { roles: ["administrator"] }, azp: "front-end" },
  });
});
afterAll(async () => {
  await services.stop();
  await Promise.all([paprika.stop(), gecko.stop()]);
});
beforeEach(() => {
  paprika.misbehave([]);
  gecko.misbehave([]);
});

function administer(path: string, body?: object) {
  const headers = { Authorization: `Bearer ${administratorToken}`, "Content-Type": "application/json" };
  return send(undefined, "POST", path, { headers, ...(body !== undefined && { body }) });
}

describe("POST /v1/jobs/fetch-all-coins", () => {
  it.each([PATH, `/api${PATH}`])("answers an administrator what was fetched, at %s", async (path) => {
    const reply = await administer(path);
    expect(reply.status).toBe(200);
    expect(await reply.json()).toEqual({
      success: true,
      coins_fetched: 2,
      assets_created: expect.any(Number),
      assets_updated: expect.any(Number),
      prices_stored: expect.any(Number),
      error: "CoinGecko answered, but with no coin that has a price.",
    });
  });

  it("answers 503 with Retry-After when no provider tells a price, naming them and no address", async () => {
    paprika.misbehave([{ status: 404 }]);
    gecko.misbehave([{ status: 404 }]);
    const reply = await administer(PATH);
    expect(reply.headers.get("retry-after")).toBe("60");
    const text = await reply.clone().text();
    expect(text).not.toContain("127.0.0.1");
    const { detail } = JSON.parse(text);
    expect(detail).toContain("CoinPaprika answered 404; CoinGecko answered 404");
    await expectProblem(reply, "PROVIDER_UNAVAILABLE", 503);
  });

  it("is for administrators", async () => {
    await expectProblem(await send("someone", "POST", PATH), "FORBIDDEN", 403);
    await expectProblem(await send(undefined, "POST", PATH), "UNAUTHENTICATED", 401);
    const wrong = await administer(PATH, { coins: 1 });
    await expectProblem(wrong, "VALIDATION_FAILED", 400, ["/coins"]);
  });
});
