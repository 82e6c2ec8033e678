import { connectorErrorBehind, rateLimited, unexpected } from "./ask.ts";
import { ConnectorError } from "./connector.ts";

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

/** That an exchange takes nothing that is asked with this key. */
export function refusedCredentials(provider: string): ConnectorError {
  const message = `${provider} refuses the key: check that key, secret and passphrase are right, that the key may read, and that it is not bound to other addresses.`;
  return new ConnectorError("refused_credentials", message);
}

/** That one part of an account could be read and another not. A key that is refused there has to be changed. */
export function halfAnswer(provider: string, error: ConnectorError): ConnectorError {
  if (error.kind === "refused_credentials") return error;
  const message = `${provider} told only a part of what is in the account. ${error.message}`;
  return new ConnectorError("incomplete", message, error.retryAfterSeconds);
}

function classNamesOf(error: unknown): ReadonlySet<string> {
  const names = new Set<string>();
  for (let one: unknown = error; typeof one === "object" && one !== null; one = Object.getPrototypeOf(one)) {
    names.add(one.constructor.name);
  }
  return names;
}
