import { createHmac } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { EXCHANGES } from "../../../services/accounts/contract.ts";
import {
  type Answer,
  type Asked,
  json,
  type ProviderServer,
  startProvider,
} from "../../support/providers/provider-server.ts";
import { faults, reading } from "./reading.ts";

/** The key has the form of Gemini's, the secret that of Kraken's; others take any. */
const credentials = {
  api_key: "account-alice",
  api_secret: "YWxpY2Utc2VjcmV0",
  passphrase: "alice-passphrase",
};
const accountAt = (exchange_name: string) => ({
  account_type: "exchange" as const,
  exchange_name,
  wallet_address: null,
  enabled_chains: null,
});
const amounts = (asset: string, quantity: string, available = quantity, frozen = "0") => ({
  asset,
  symbol: asset,
  quantity,
  available,
  frozen,
});

let server: ProviderServer;
let answers: Record<string, Answer>;

const at = (exchange: string) =>
  reading({ account: accountAt(exchange), credentials }, [server], {
    EXCHANGE_URLS: `${exchange}=${server.url}`,
  });
const pathOf = ({ path }: Asked) => path.split("?")[0] as string;

beforeAll(async () => {
  server = await startProvider((asked) => answers[pathOf(asked)] ?? json({ error: "unknown" }, 404));
});
afterAll(() => server.stop());
beforeEach(() => {
  server.misbehave();
  answers = {};
});

describe("the connectors of exchanges", () => {
  it.each(EXCHANGES.map((name) => [name]))(
    "ask %s at the address that is set, and take a fault there for what it is",
    async (name) => {
      server.misbehave(json({}, 429, { "retry-after": "9" }));
      const before = server.requests.length;
      const error = await at(name).failure();
      expect(server.requests.length).toBeGreaterThan(before);
      expect(["rate_limited", "incomplete"]).toContain(error.kind);
      expect(error.retryAfterSeconds).toBe(9);
    },
  );
});

describe("no connector of an exchange", () => {
  const unreadable = faults.filter(([, , kind]) => kind === "unexpected_answer");

  it.each(EXCHANGES.map((name) => [name]))(
    "takes what %s does not mean for an empty account",
    async (name) => {
      for (const [, how] of unreadable) {
        server.misbehave(how);
        // Some are asked first which kind of account it is.
        expect(["unexpected_answer", "unavailable"]).toContain((await at(name).failure()).kind);
      }
    },
  );
});

describe("the connector of Binance", () => {
  const SPOT = "/api/v3/account";
  const FUNDING = "/sapi/v1/asset/get-funding-asset";
  const spotOf = (balances: string) => ({ body: `{"accountType":"SPOT","balances":${balances}}` });

  it("adds up spot and funding, exactly, signed as Binance asks", async () => {
    answers = {
      [SPOT]: spotOf(
        '[{"asset":"BTC","free":"4723846.892080650000000001","locked":"0.5"},{"asset":"LTC","free":"0","locked":"0"},{"asset":"ETH","free":0.000000000000000001,"locked":0}]',
      ),
      [FUNDING]: {
        body: '[{"asset":"BTC","free":"1","locked":"0","freeze":"0","withdrawing":"0","btcValuation":"1"}]',
      },
    };
    expect(await at("binance").read()).toEqual([
      amounts("BTC", "4723848.392080650000000001", "4723847.892080650000000001", "0.5"),
      amounts("ETH", "0.000000000000000001"),
    ]);
    const asked = server.requests.findLast((each) => pathOf(each) === SPOT);
    const [, signed = "", signature = ""] = /\?(.*)&signature=(.*)$/.exec(asked?.path ?? "") ?? [];
    expect(asked?.headers["x-mbx-apikey"]).toBe(credentials.api_key);
    expect(signature).toBe(createHmac("sha256", credentials.api_secret).update(signed).digest("hex"));
  });

  it.each([
    [
      json({ code: -2015, msg: "Invalid API-key, IP, or permissions for action." }, 401),
      "refused_credentials",
    ],
    [json({ code: -2014, msg: "API-key format invalid." }, 401), "refused_credentials"],
    [json({ code: -1003, msg: "Too many requests." }, 418, { "retry-after": "120" }), "rate_limited"],
    [json({ code: -1001, msg: "Internal error" }, 500), "unavailable"],
  ])("takes %j for an error", async (answer, kind) => {
    server.misbehave(answer);
    expect(await at("binance").failure()).toMatchObject({ kind });
  });

  it.each(faults)("fails as a whole on %s", async (_, how, kind) => {
    server.misbehave(how);
    expect(await at("binance").failure()).toMatchObject({ kind });
  });

  it("takes half an answer for none", async () => {
    answers = { [SPOT]: spotOf('[{"asset":"BTC","free":"1","locked":"0"}]'), [FUNDING]: json({}, 500) };
    expect(await at("binance").failure()).toMatchObject({ kind: "incomplete" });
  });
});

describe("the connector of Kraken", () => {
  it("calls currencies by their common names", async () => {
    answers = {
      "/0/private/BalanceEx": json({
        error: [],
        result: {
          XXBT: { balance: "1.2435", hold_trade: "0.8423" },
          ZUSD: { balance: "25435.21", hold_trade: "0" },
          SOL: { balance: "0.0000000001", hold_trade: "0" },
        },
      }),
    };
    expect(await at("kraken").read()).toEqual([
      amounts("BTC", "1.2435", "0.4012", "0.8423"),
      amounts("USD", "25435.21"),
      amounts("SOL", "0.0000000001"),
    ]);
  });

  it("says so when nothing can be signed with the secret", async () => {
    const before = server.requests.length;
    const error = await at("kraken").failure({ credentials: { ...credentials, api_secret: "no base64!" } });
    expect(error).toMatchObject({ kind: "refused_credentials", message: expect.stringMatching(/secret/) });
    expect(server.requests).toHaveLength(before);
  });
});

describe("the connector of Bitfinex", () => {
  it("keeps every digit of numbers in lists", async () => {
    answers = {
      "/v2/auth/r/wallets": {
        body: '[["exchange","BTC",1.234567890123456789,0,1.2,null,{}],["exchange","UST",1e-10,0,null,null,{}]]',
      },
    };
    expect(await at("bitfinex").read()).toEqual([
      amounts("BTC", "1.234567890123456789", "1.2", "0.034567890123456789"),
      amounts("USDT", "0.0000000001"),
    ]);
  });
});
