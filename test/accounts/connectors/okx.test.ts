import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { FUNDING, type Okx, okxAccount, okxError, startOkx, TRADING } from "../../support/providers/okx.ts";
import { json, type Misbehaviour } from "../../support/providers/provider-server.ts";
import { faults, type Reading, reading } from "./reading.ts";

const alice = okxAccount("alice");
const { trading, funding, ...credentials } = alice;
const account = {
  account_type: "exchange",
  exchange_name: "okx",
  wallet_address: null,
  enabled_chains: null,
} as const;
const amounts = (asset: string, quantity: string, available = quantity, frozen = "0") => ({
  asset,
  symbol: asset,
  quantity,
  available,
  frozen,
});

let okx: Okx;
let alices: Reading;

beforeAll(async () => {
  okx = await startOkx([alice]);
  alices = reading({ account, credentials }, [okx], { EXCHANGE_URLS: `okx=${okx.url}` });
});
afterAll(() => okx.stop());
beforeEach(() => {
  okx.misbehave();
  alice.trading = [{ ccy: "BTC", cashBal: "1.5", availBal: "1", frozenBal: "0.5" }];
  alice.funding = [{ ccy: "BTC", bal: "0.25" }];
});

/** Goes wrong in one of the two places. */
const onlyIn = (place: string, how: Misbehaviour) =>
  okx.misbehave(({ path }) => (path.startsWith(place) ? how : undefined));

describe("the OKX connector", () => {
  it("adds up what is in the trading and in the funding account, by currency", async () => {
    alice.trading = [
      { ccy: "BTC", cashBal: "1.5", availBal: "1", frozenBal: "0.5" },
      { ccy: "USDT", cashBal: "100.10", availBal: "", frozenBal: "40" },
    ];
    alice.funding = [
      { ccy: "BTC", bal: "0.25", availBal: "0.05", frozenBal: "0.2" },
      { ccy: "DOGE", bal: "7", availBal: "", frozenBal: "" },
    ];
    expect(await alices.read()).toEqual([
      amounts("BTC", "1.75", "1.05", "0.7"),
      amounts("USDT", "100.1", "60.1", "40"),
      amounts("DOGE", "7"),
    ]);
  });

  it("asks each place once, signed, and never sends the secret", async () => {
    const before = okx.requests.length;
    await alices.read();
    const asked = okx.requests.slice(before);
    expect(asked.map(({ method, path }) => `${method} ${path}`).toSorted()).toEqual([
      `GET ${TRADING}`,
      `GET ${FUNDING}`,
    ]);
    expect(JSON.stringify(asked)).not.toContain(alice.api_secret);
  });

  it("keeps every digit, of the largest and of the smallest amounts", async () => {
    alice.trading = [
      { ccy: "SHIB", cashBal: "1000000000000000000000000000000.000000000000000001", frozenBal: "" },
    ];
    alice.funding = [
      { ccy: "SHIB", bal: "0.000000000000000001" },
      { ccy: "ETH", bal: "0.000000000000000001" },
    ];
    expect(await alices.read()).toEqual([
      amounts("SHIB", "1000000000000000000000000000000.000000000000000002"),
      amounts("ETH", "0.000000000000000001"),
    ]);
  });

  it("keeps every digit of amounts that come as numbers", async () => {
    onlyIn(FUNDING, {
      body: '{"code":"0","data":[{"ccy":"ETH","bal":1.234567890123456789,"availBal":1e-18,"frozenBal":0}],"msg":""}',
    });
    alice.trading = [];
    expect(await alices.read()).toEqual([
      amounts("ETH", "1.234567890123456789", "0.000000000000000001", "0"),
    ]);
  });

  it("leaves out what there is nothing of, and an empty account is empty", async () => {
    alice.trading = [{ ccy: "BTC", cashBal: "0", availBal: "0" }];
    alice.funding = [];
    expect(await alices.read()).toEqual([]);
  });

  it("never tells of more that can be moved than there is", async () => {
    alice.trading = [{ ccy: "USDT", cashBal: "100", availBal: "250", frozenBal: "120" }];
    alice.funding = [];
    expect(await alices.read()).toEqual([amounts("USDT", "100", "0", "100")]);
  });

  it("takes the equity where no cash balance is told", async () => {
    alice.trading = [{ ccy: "USDT", cashBal: "", eq: "28.21", availBal: "28.21" }];
    alice.funding = [];
    expect(await alices.read()).toEqual([amounts("USDT", "28.21")]);
  });

  it("does not hide a debt", async () => {
    alice.trading = [{ ccy: "USDT", cashBal: "-5" }];
    expect(await alices.failure()).toMatchObject({
      kind: "unexpected_answer",
      message: expect.stringMatching(/USDT/),
    });
  });

  it.each([
    ["api_key", { api_key: "mallory-key" }],
    ["secret", { api_secret: "mallory-secret" }],
    ["passphrase", { passphrase: "mallory-passphrase" }],
  ])("says that the key is refused when the %s is wrong", async (_, wrong) => {
    const error = await alices.failure({ credentials: { ...credentials, ...wrong } });
    expect(error).toMatchObject({ kind: "refused_credentials" });
    expect(error.message).not.toContain("mallory");
  });

  it("asks for the passphrase when there is none, without asking OKX", async () => {
    const before = okx.requests.length;
    const { api_key, api_secret } = credentials;
    const error = await alices.failure({ credentials: { api_key, api_secret } });
    expect(error).toMatchObject({
      kind: "refused_credentials",
      message: expect.stringMatching(/passphrase/),
    });
    expect(okx.requests).toHaveLength(before);
  });

  it.each([
    ["50011", "rate_limited"],
    ["50061", "rate_limited"],
    ["50001", "unavailable"],
    ["50004", "timed_out"],
    ["50026", "unavailable"],
    ["50102", "unavailable"],
    ["50105", "refused_credentials"],
    ["50110", "refused_credentials"],
    ["50111", "refused_credentials"],
    ["50113", "refused_credentials"],
    ["50119", "refused_credentials"],
    ["50014", "unexpected_answer"],
    ["1", "unexpected_answer"],
    ["2", "unexpected_answer"],
  ])("takes code %s with HTTP 200 for an error: %s", async (code, kind) => {
    okx.misbehave(okxError(code));
    expect(await alices.failure()).toMatchObject({ kind });
  });

  it.each(faults)("fails as a whole on %s", async (_, how, kind) => {
    okx.misbehave(how);
    expect(await alices.failure()).toMatchObject({ kind });
  });

  it.each([
    ["trading", TRADING],
    ["funding", FUNDING],
  ])("takes half an answer, without the %s account, for none", async (_, place) => {
    onlyIn(place, "reset");
    expect(await alices.failure()).toMatchObject({ kind: "incomplete" });
    onlyIn(place, json({}, 429, { "retry-after": "12" }));
    expect(await alices.failure()).toMatchObject({ kind: "incomplete", retryAfterSeconds: 12 });
    onlyIn(place, okxError("50120", 401));
    expect(await alices.failure()).toMatchObject({ kind: "refused_credentials" });
  });

  it.each([
    ["no details", { code: "0", data: [], msg: "" }],
    ["an amount that is none", { code: "0", data: [{ details: [{ ccy: "BTC", cashBal: "much" }] }] }],
    ["an amount that fills pages", { code: "0", data: [{ details: [{ ccy: "BTC", cashBal: "1e999" }] }] }],
    ["no amount at all", { code: "0", data: [{ details: [{ ccy: "BTC", cashBal: "", eq: "" }] }] }],
  ])("does not understand %s", async (_, answer) => {
    onlyIn(TRADING, json(answer));
    expect(await alices.failure()).toMatchObject({ kind: "incomplete" });
  });

  it("tells how long OKX wants to be left alone", async () => {
    okx.misbehave(json({}, 429, { "retry-after": new Date(Date.now() + 60_000).toUTCString() }));
    const { retryAfterSeconds } = await alices.failure();
    expect(retryAfterSeconds).toBeGreaterThan(50);
    expect(retryAfterSeconds).toBeLessThanOrEqual(60);
  });

  it("ends at once when it is told to", async () => {
    okx.misbehave("silent");
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 50);
    await expect(alices.read({ signal: controller.signal })).rejects.toBe(reason);
  });
});
