import type { Exchange } from "ccxt";
import type { Outgoing } from "../../common/outgoing/outgoing.ts";
import { parseExact } from "../../common/parse-exact.ts";
import type { Exchange as ExchangeId } from "../contract.ts";
import { asking, connectorErrorBehind, unexpected } from "./ask.ts";
import { ConnectorError, type ReadRequest } from "./connector.ts";
import { exchangeError } from "./exchange-error.ts";

/** How exchanges are reached. */
export interface ExchangeTools {
  readonly outgoing: Outgoing;
  /** For one request. */
  readonly timeoutMs: number;
  /** Asked instead of an exchange's own hosts: a proxy, or a server of the tests. */
  readonly exchangeUrls: Readonly<Partial<Record<ExchangeId, string>>>;
}

/** An exchange as it is asked for one reading. */
export interface OpenExchange<Client extends Exchange = Exchange> {
  readonly client: Client;
  /** As people call it. */
  readonly provider: string;
  /** What the exchange last answered, as it is; ccxt's own reading of it may leave out what it does not know. */
  lastAnswer(): unknown;
  /** What went wrong, for the user, by whatever the client has thrown. */
  failureBehind(error: unknown): ConnectorError;
}

/** What a module of ccxt's has of what is used here. */
interface ExchangeModule<Client extends Exchange> {
  readonly default: new (options: object) => Client;
}

const USER_AGENT = "crypto-pocket-butler";

/**
 * ccxt's client of an exchange, for one reading: ccxt signs, spaces requests out and knows the formats; requests go out
 * by our own way, and all numbers stay the digits that the exchange wrote.
 * @throws ConnectorError when the credentials are not all there.
 */
export async function openExchange<Client extends Exchange = Exchange>(
  tools: ExchangeTools,
  id: ExchangeId,
  { credentials, signal }: ReadRequest,
): Promise<OpenExchange<Client>> {
  const { default: ExchangeClient }: ExchangeModule<Client> = await import(moduleUrlOf(id));
  const client = new ExchangeClient({
    apiKey: credentials?.api_key,
    secret: credentials && withLineBreaks(credentials.api_secret),
    password: credentials?.passphrase,
    timeout: tools.timeoutMs,
    userAgent: USER_AGENT,
  });
  const provider = String(client.name ?? id);
  checkCredentials(client, provider);
  // Balances need no list of the markets, which has megabytes.
  client.markets = {};
  keepDigits(client);
  const lastAnswer = keepAnswer(client, provider);

  const ask = asking(tools.outgoing, provider, signal);
  const base = tools.exchangeUrls[id];
  let isAsked = false;
  client.fetchImplementation = (url: string, init: RequestInit) => {
    isAsked = true;
    return ask(base === undefined ? url : elsewhere(url, base), init);
  };
  return {
    client,
    provider,
    lastAnswer,
    failureBehind: (error) =>
      isAsked || connectorErrorBehind(error) ? exchangeError(provider, error) : unusableCredentials(provider),
  };
}

/** ccxt exports all exchanges as one, of 100 MB; their modules lie beside it. The name is one of a closed list. */
function moduleUrlOf(id: ExchangeId): string {
  return new URL(`./src/${id}.js`, import.meta.resolve("ccxt")).href;
}

function checkCredentials(client: Exchange, provider: string): void {
  const needed = [
    ["apiKey", "an API key"],
    ["secret", "an API secret"],
    ["password", "a passphrase"],
  ] as const;
  for (const [member, name] of needed) {
    if (!client.requiredCredentials[member] || client[member]) continue;
    throw new ConnectorError("refused_credentials", `${provider} needs ${name}: enter it with the account.`);
  }
}

/** Nothing could be signed with them: a secret that is no base64, a private key that is none. */
function unusableCredentials(provider: string): ConnectorError {
  const message = `The key or the secret is none of ${provider}'s: enter both as ${provider} shows them.`;
  return new ConnectorError("refused_credentials", message);
}

function keepDigits(client: Exchange): void {
  const parseJson = (text: string) => {
    try {
      return client.isJsonEncodedObject(text) ? parseExact(text) : undefined;
    } catch {
      return undefined;
    }
  };
  const parseNumber = (value: unknown, fallback?: unknown) =>
    value === undefined ? fallback : String(value);
  Object.assign(client, { parseJson, parseNumber });
}

/**
 * Keeps the last answer. ccxt takes text that it cannot read for an answer in which there is nothing.
 * @returns what gives the answer.
 */
function keepAnswer(client: Exchange, provider: string): () => unknown {
  const handleErrors = client.handleErrors.bind(client);
  let lastAnswer: unknown;
  client.handleErrors = (status, reason, url, method, headers, body, answer, ...rest) => {
    lastAnswer = answer;
    if (status < 300 && answer === undefined) throw unexpected(provider);
    return handleErrors(status, reason, url, method, headers, body, answer, ...rest);
  };
  return () => lastAnswer;
}

/** Private keys are often pasted as they stand in a JSON file, with `\n` for each end of a line. */
function withLineBreaks(secret: string): string {
  return secret.startsWith("-----BEGIN") ? secret.replaceAll("\\n", "\n") : secret;
}

function elsewhere(url: string, base: string): string {
  const { pathname, search } = new URL(url);
  return `${base.replace(/\/+$/, "")}${pathname}${search}`;
}
