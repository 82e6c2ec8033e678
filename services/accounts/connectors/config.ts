import { z } from "zod";
import { type Environment, positiveInteger, readSettings, url, variable } from "../../common/config.ts";
import { readOutgoingRules } from "../../common/outgoing/config.ts";
import type { OutgoingRules } from "../../common/outgoing/hosts.ts";
import { EXCHANGES, type Exchange } from "../contract.ts";

type ExchangeUrls = Readonly<Partial<Record<Exchange, string>>>;

const EXCHANGE_URLS_MUST =
  "must be a comma separated list of <exchange>=<URL>, each exchange once, like okx=https://okx.example.com";

const ExchangeUrls = z.string(EXCHANGE_URLS_MUST).transform((list, context): ExchangeUrls => {
  const entries = list.split(",").map((entry) => /^([a-z]+)=(https?:\/\/\S+)$/.exec(entry.trim()) ?? []);
  const urls = entries.flatMap(([, name, text = ""]): [Exchange, string][] => {
    const exchange = EXCHANGES.find((each) => each === name);
    return exchange && URL.canParse(text) ? [[exchange, text]] : [];
  });
  const isComplete =
    urls.length === entries.length && new Set(urls.map(([name]) => name)).size === urls.length;
  if (isComplete) return Object.fromEntries(urls);
  context.addIssue({ code: "custom", message: EXCHANGE_URLS_MUST });
  return z.NEVER;
});

export const connectorVariables = {
  providerTimeoutSeconds: variable(
    "PROVIDER_TIMEOUT_SECS",
    positiveInteger(20, 600),
    "One request to an exchange or a node may take so long.",
  ),
  solanaRpcUrl: variable(
    "SOLANA_RPC_URL",
    url("https", "http").default("https://api.mainnet-beta.solana.com"),
    "Solana node that wallets are read from.",
    { secret: true },
  ),
  bitcoinApiUrl: variable(
    "BITCOIN_API_URL",
    url("https", "http").default("https://blockstream.info/api"),
    "Where Bitcoin addresses are looked up: an API as Esplora offers it.",
    { secret: true },
  ),
  exchangeUrls: variable(
    "EXCHANGE_URLS",
    ExchangeUrls.optional(),
    "Exchanges that are asked elsewhere than at their own hosts, `<exchange>=<URL>`, comma separated.",
  ),
} as const;

export interface ConnectorsConfig {
  readonly timeoutMs: number;
  readonly solanaRpcUrl: string;
  readonly bitcoinApiUrl: string;
  readonly exchangeUrls: ExchangeUrls;
  readonly rules: OutgoingRules;
}

/** @throws {ConfigurationError} naming each wrong variable. */
export function readConnectorsConfig(environment: Environment): ConnectorsConfig {
  const settings = readSettings(connectorVariables, environment);
  const { providerTimeoutSeconds, solanaRpcUrl, bitcoinApiUrl, exchangeUrls = {} } = settings;
  const rules = readOutgoingRules(environment, [
    ["SOLANA_RPC_URL", solanaRpcUrl],
    ["BITCOIN_API_URL", bitcoinApiUrl],
    ...Object.values(exchangeUrls).map((text) => ["EXCHANGE_URLS", text] as const),
  ]);
  return Object.freeze({
    timeoutMs: providerTimeoutSeconds * 1000,
    solanaRpcUrl,
    bitcoinApiUrl: bitcoinApiUrl.replace(/\/+$/, ""),
    exchangeUrls,
    rules,
  });
}
