import type { Exchange } from "ccxt";
import { amountOf, type Balance, holdingsOf } from "./amounts.ts";
import { connectorErrorBehind, rateLimited, unexpected } from "./ask.ts";
import { type Connector, ConnectorError } from "./connector.ts";
import { type ExchangeTools, openExchange } from "./exchange-client.ts";
import type { SupportedExchange } from "./supported-exchanges.ts";

/** Balances as ccxt gives them; ours are strings. */
type Balances = Awaited<ReturnType<Exchange["fetchBalance"]>>;

/** What ccxt is asked for where assets are in several accounts of a user's; elsewhere, for what it takes by itself. */
const ACCOUNTS: Readonly<Partial<Record<SupportedExchange, readonly object[]>>> = {
  binance: [{}, { type: "funding" }],
  kucoin: [{ type: "main" }, { type: "trade" }],
};

/** Reads accounts at exchanges as ccxt knows them: what can be spent or is in orders, by currency. */
export function exchangeConnector(tools: ExchangeTools, id: SupportedExchange): Connector {
  return {
    async read(request) {
      const exchange = await openExchange(tools, id, request);
      const provider = String(exchange.name ?? id);
      const balances: Balance[] = [];
      for (const params of ACCOUNTS[id] ?? [{}]) {
        request.signal.throwIfAborted();
        const answer = await exchange.fetchBalance(params).catch((error: unknown) => {
          throw request.signal.aborted ? request.signal.reason : exchangeError(provider, error);
        });
        balances.push(...balancesOf(provider, answer));
      }
      return holdingsOf(provider, balances);
    },
  };
}

/** What went wrong, by the class of ccxt's error: its text holds the URL and all that the exchange wrote. */
export function exchangeError(provider: string, error: unknown): ConnectorError {
  const ours = connectorErrorBehind(error);
  if (ours) return ours;
  const classes = classNamesOf(error);
  const isOne = (...names: readonly string[]) => names.some((name) => classes.has(name));
  if (isOne("RateLimitExceeded", "DDoSProtection")) return rateLimited(provider);
  if (isOne("AuthenticationError")) return refusedCredentials(provider);
  if (isOne("RequestTimeout")) {
    return new ConnectorError("timed_out", `${provider} did not answer in time.`);
  }
  if (isOne("NetworkError", "OperationRejected")) {
    return new ConnectorError("unavailable", `${provider} does not answer such questions just now.`);
  }
  return unexpected(provider);
}

/** That an exchange takes none of what was asked with this key. */
export function refusedCredentials(provider: string): ConnectorError {
  const message = `${provider} refuses the key: check that key, secret and passphrase are right, that the key may read, and that it is not bound to other addresses.`;
  return new ConnectorError("refused_credentials", message);
}

function classNamesOf(error: unknown): ReadonlySet<string> {
  const names = new Set<string>();
  for (let one: unknown = error; typeof one === "object" && one !== null; one = Object.getPrototypeOf(one)) {
    names.add(one.constructor.name);
  }
  return names;
}

function balancesOf(provider: string, { total, free, used }: Balances): readonly Balance[] {
  const amounts: Record<string, unknown> = { ...total };
  return Object.keys(amounts).map((code) => {
    const quantity = read(provider, amounts[code]);
    if (quantity === undefined) throw unexpected(provider);
    const available = read(provider, Object(free)[code]);
    const frozen = read(provider, Object(used)[code]);
    return { code: code.replaceAll(/\s+/g, "_"), total: quantity, available, frozen };
  });
}

function read(provider: string, value: unknown) {
  if (value === undefined || value === null || value === "") return undefined;
  const amount = amountOf(String(value));
  if (amount === undefined) throw unexpected(provider);
  return amount;
}
