import type { Exchange } from "../contract.ts";
import { amountOf, type Balance, holdingsOf } from "./amounts.ts";
import { unexpected } from "./ask.ts";
import { type Connector, ConnectorError } from "./connector.ts";
import { type ExchangeTools, type OpenExchange, openExchange } from "./exchange-client.ts";
import { halfAnswer } from "./exchange-error.ts";

/** What ccxt is asked for where assets are in several accounts of a user's; elsewhere, for what it takes by itself. */
const ACCOUNTS: Readonly<Partial<Record<Exchange, readonly object[]>>> = {
  binance: [{}, { type: "funding" }],
  kucoin: [{ type: "main" }, { type: "trade" }],
};

/** Where exchanges write their lists of balances, unless the answer itself is the list. */
const LISTS = ["accounts", "balances", "data", "holding", "list", "result", "summaries"];

/** Reads accounts at exchanges as ccxt knows them: what can be spent or is in orders, by currency. */
export function exchangeConnector(tools: ExchangeTools, id: Exchange): Connector {
  return {
    async read(request) {
      const exchange = await openExchange(tools, id, request);
      const balances: Balance[] = [];
      for (const [index, params] of (ACCOUNTS[id] ?? [{}]).entries()) {
        try {
          balances.push(...(await readBalances(exchange, params)));
        } catch (error) {
          request.signal.throwIfAborted();
          const failure = exchange.failureBehind(error);
          throw index === 0 ? failure : halfAnswer(exchange.provider, failure);
        }
      }
      return holdingsOf(exchange.provider, balances);
    },
  };
}

async function readBalances(exchange: OpenExchange, params: object): Promise<readonly Balance[]> {
  const { client, provider, lastAnswer } = exchange;
  const { total, free, used } = await client.fetchBalance(params);
  const amounts: Record<string, unknown> = Object(total);
  checkAnswer(provider, lastAnswer(), Object.keys(amounts).length);
  return Object.keys(amounts).map((code) => {
    const quantity = read(provider, amounts[code]);
    if (quantity === undefined) throw unexpected(provider);
    const available = read(provider, Object(free)[code]);
    const frozen = read(provider, Object(used)[code]);
    // Some codes of ccxt's own have a space.
    return { code: code.replaceAll(/\s+/g, "_"), total: quantity, available, frozen };
  });
}

/** ccxt finds nothing in an answer of another form than it expects: that is no empty account. */
function checkAnswer(provider: string, answer: unknown, balancesCount: number): void {
  const members: Record<string, unknown> = Object(answer);
  if (members.has_next === true) {
    const message = `${provider} told only a part of what is in the account: there are too many currencies in it.`;
    throw new ConnectorError("incomplete", message);
  }
  if (balancesCount > 0 || Array.isArray(answer)) return;
  const hasList = LISTS.some((name) => typeof members[name] === "object" && members[name] !== null);
  if (!hasList) throw unexpected(provider);
}

function read(provider: string, value: unknown) {
  if (value === undefined || value === null || value === "") return undefined;
  const amount = amountOf(String(value));
  if (amount === undefined) throw unexpected(provider);
  return amount;
}
