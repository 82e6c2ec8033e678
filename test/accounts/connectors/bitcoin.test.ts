import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { type Esplora, startEsplora } from "../../support/providers/esplora.ts";
import { json } from "../../support/providers/provider-server.ts";
import { faults, type Reading, reading } from "./reading.ts";

const ADDRESS = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq";
const account = {
  account_type: "wallet",
  exchange_name: "bitcoin",
  wallet_address: ADDRESS,
  enabled_chains: null,
} as const;

let esplora: Esplora;
let wallets: Reading;

beforeAll(async () => {
  esplora = await startEsplora();
  wallets = reading({ account }, [esplora], { BITCOIN_API_URL: `${esplora.url}/` });
});
afterAll(() => esplora.stop());
beforeEach(() => esplora.misbehave());

describe("the Bitcoin connector", () => {
  it("reads what has come less what has gone", async () => {
    esplora.addresses[ADDRESS] = { funded: 15_007_599_040n, spent: 15_007_599_039n };
    expect(await wallets.read()).toEqual([
      {
        asset: "BTC-bitcoin",
        symbol: "BTC",
        chain: "bitcoin",
        quantity: "0.00000001",
        available: "0.00000001",
        frozen: "0",
        decimals: 8,
      },
    ]);
  });

  it("is exact where numbers are not", async () => {
    esplora.addresses[ADDRESS] = { funded: 9_007_199_254_740_995n, spent: 2n };
    expect(await wallets.read()).toMatchObject([{ quantity: "90071992.54740993" }]);
  });

  it("has nothing at an address that nothing came to", async () => {
    esplora.addresses[ADDRESS] = { funded: 5n, spent: 5n };
    expect(await wallets.read()).toEqual([]);
  });

  it.each(faults)("fails on %s", async (_, how, kind) => {
    esplora.misbehave(how);
    expect(await wallets.failure()).toMatchObject({ kind });
  });

  it("fails on an address that is refused, and on more gone than has come", async () => {
    const other = { ...account, wallet_address: "hello/../tx" };
    expect(await wallets.failure({ account: other })).toMatchObject({ kind: "unexpected_answer" });
    expect(esplora.requests.at(-1)?.path).toBe("/address/hello%2F..%2Ftx");
    esplora.misbehave(json({ chain_stats: { funded_txo_sum: 1, spent_txo_sum: 2 } }));
    expect(await wallets.failure()).toMatchObject({ kind: "unexpected_answer" });
  });
});
