import { describe, expect, it } from "@jest/globals";
import { readConnectorsConfig } from "../../../services/accounts/connectors/config.ts";
import { openConnectors } from "../../../services/accounts/connectors/open-connectors.ts";
import { ConfigurationError } from "../../../services/common/config.ts";

describe("readConnectorsConfig", () => {
  it("asks the providers' own addresses unless told otherwise", () => {
    expect(readConnectorsConfig({})).toMatchObject({
      timeoutMs: 20_000,
      solanaRpcUrl: "https://api.mainnet-beta.solana.com",
      bitcoinApiUrl: "https://blockstream.info/api",
      exchangeUrls: {},
    });
  });

  it("takes other addresses, and their hosts may be asked", () => {
    const config = readConnectorsConfig({
      EXCHANGE_URLS: "okx=https://okx.example.com, kraken=http://10.0.0.1:8080/kraken",
      OUTGOING_PRIVATE_HOSTS: "10.0.0.1:8080",
      OUTGOING_HOSTS: "a.example.com",
    });
    expect(config.exchangeUrls).toEqual({
      okx: "https://okx.example.com",
      kraken: "http://10.0.0.1:8080/kraken",
    });
    expect(config.rules.hosts).toContain("okx.example.com");
  });

  it.each([
    ["EXCHANGE_URLS", "okx"],
    ["EXCHANGE_URLS", "nowhere=https://a.example.com"],
    ["EXCHANGE_URLS", "okx=https://a.example.com,okx=https://b.example.com"],
    ["EXCHANGE_URLS", "okx=http://a.example.com"],
    ["SOLANA_RPC_URL", "rpc.example.com"],
    ["SOLANA_RPC_URL", "http://rpc.example.com/the-key"],
    ["BITCOIN_API_URL", "https://192.168.1.1/the-key"],
    ["PROVIDER_TIMEOUT_SECS", "0"],
  ])("does not start with %s=%s, and prints no key", (name, value) => {
    const read = () => readConnectorsConfig({ [name]: value });
    expect(read).toThrow(ConfigurationError);
    expect(read).toThrow(new RegExp(`^${name} must be`));
    expect(read).not.toThrow(/the-key/);
  });
});

describe("connectorFor", () => {
  const connectorFor = openConnectors({});
  const account = { wallet_address: null, enabled_chains: null };

  it.each([
    ["exchange", "okx"],
    ["exchange", "kraken"],
    ["wallet", null],
    ["wallet", "solana"],
    ["wallet", "bitcoin"],
  ] as const)("reads an account of type %s, %s", (account_type, exchange_name) => {
    expect(connectorFor({ ...account, account_type, exchange_name })).toBeDefined();
  });

  it.each([
    ["manual", null],
    ["exchange", null],
    ["exchange", "bitmex"],
    ["exchange", "constructor"],
    ["exchange", "solana"],
    ["wallet", "okx"],
  ] as const)("has nothing for an account of type %s, %s", (account_type, exchange_name) => {
    expect(connectorFor({ ...account, account_type, exchange_name })).toBeUndefined();
  });
});
