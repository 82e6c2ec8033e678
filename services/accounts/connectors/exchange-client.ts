import type { Exchange } from "ccxt";
import type { Outgoing } from "../../common/outgoing/outgoing.ts";
import { asking } from "./ask.ts";
import { ConnectorError, type ReadRequest } from "./connector.ts";
import { parseExact } from "./exact-json.ts";
import type { SupportedExchange } from "./supported-exchanges.ts";

/** How an exchange is reached. */
export interface ExchangeTools {
  readonly outgoing: Outgoing;
  readonly timeoutMs: number;
  /** Asked instead of the exchange's own hosts: a proxy, or a server of the tests. */
  readonly exchangeUrls: Readonly<Partial<Record<SupportedExchange, string>>>;
}

/** What a module of ccxt's has of what is used here. */
interface ExchangeModule<Client extends Exchange> {
  readonly default: new (options: object) => Client;
}

const USER_AGENT = "crypto-pocket-butler";

/**
 * ccxt's client of an exchange for one read: ccxt signs, spaces requests out and knows the formats; requests go out by our
 * own way, and all numbers stay the digits that the exchange wrote.
 * @throws ConnectorError when the credentials are not all there.
 */
export async function openExchange<Client extends Exchange = Exchange>(
  tools: ExchangeTools,
  id: SupportedExchange,
  { credentials, signal }: ReadRequest,
): Promise<Client> {
  const { default: ExchangeClient }: ExchangeModule<Client> = await import(moduleUrlOf(id));
  const exchange = new ExchangeClient({
    apiKey: credentials?.api_key,
    secret: credentials && withLineBreaks(credentials.api_secret),
    password: credentials?.passphrase,
    timeout: tools.timeoutMs,
    userAgent: USER_AGENT,
  });
  const provider = String(exchange.name ?? id);
  checkCredentials(exchange, provider);
  // Balances need no list of the markets, which has megabytes.
  exchange.markets = {};
  exchange.parseJson = (text: string) => {
    try {
      return exchange.isJsonEncodedObject(text) ? parseExact(text) : undefined;
    } catch {
      return undefined;
    }
  };
  const ask = asking(tools.outgoing, provider, signal);
  const base = tools.exchangeUrls[id];
  exchange.fetchImplementation = (url: string, init: RequestInit) =>
    ask(base === undefined ? url : elsewhere(url, base), init);
  const parseNumber = (value: unknown, fallback?: unknown) =>
    value === undefined ? fallback : String(value);
  return Object.assign(exchange, { parseNumber });
}

/** ccxt exports all exchanges as one, of 100 MB; their modules lie beside it. The name is one of a closed list. */
function moduleUrlOf(id: SupportedExchange): string {
  return new URL(`./src/${id}.js`, import.meta.resolve("ccxt")).href;
}

function checkCredentials({ requiredCredentials, ...exchange }: Exchange, provider: string): void {
  const needed: readonly (readonly [keyof Exchange, string])[] = [
    ["apiKey", "an API key"],
    ["secret", "an API secret"],
    ["password", "a passphrase"],
  ];
  for (const [member, name] of needed) {
    if (!requiredCredentials[member] || exchange[member]) continue;
    const message = `${provider} needs ${name}: enter it with the account.`;
    throw new ConnectorError("refused_credentials", message);
  }
}

/** Private keys are often pasted as they stand in a JSON file, with `\n` for each end of a line. */
function withLineBreaks(secret: string): string {
  return secret.startsWith("-----BEGIN") ? secret.replaceAll("\\n", "\n") : secret;
}

function elsewhere(url: string, base: string): string {
  const { pathname, search } = new URL(url);
  return `${base.replace(/\/+$/, "")}${pathname}${search}`;
}
