import type { Environment } from "../../common/config.ts";
import { openOutgoing } from "../../common/outgoing/outgoing.ts";
import { EXCHANGES, type Exchange } from "../contract.ts";
import { readConnectorsConfig } from "./config.ts";
import type { Connector, ReadRequest } from "./connector.ts";

/** What reads an account; undefined for one that nothing reads: it is kept by hand, or its exchange is not supported. */
export type ConnectorFor = (account: ReadRequest["account"]) => Connector | undefined;

/**
 * Opens the connectors with their settings. What each stands on is loaded when it is first needed: the libraries take a
 * hundred megabytes and half a second.
 * @throws {ConfigurationError} naming each wrong variable.
 */
export function openConnectors(environment: Environment): ConnectorFor {
  const { rules, timeoutMs, exchangeUrls, solanaRpcUrl, bitcoinApiUrl } = readConnectorsConfig(environment);
  const outgoing = openOutgoing({ rules, timeoutMs });
  const tools = { outgoing, timeoutMs, exchangeUrls };

  const okx = whenNeeded(async () => (await import("./okx.ts")).okxConnector(tools));
  const evm = whenNeeded(async () => (await import("./evm.ts")).evmConnector(tools));
  const solana = whenNeeded(async () => (await import("./solana.ts")).solanaConnector(tools, solanaRpcUrl));
  const bitcoin = whenNeeded(async () =>
    (await import("./bitcoin.ts")).bitcoinConnector(tools, bitcoinApiUrl),
  );
  const other = (id: Exchange) =>
    whenNeeded(async () => (await import("./exchange.ts")).exchangeConnector(tools, id));
  const exchanges = new Map<string, Connector>(EXCHANGES.map((id) => [id, id === "okx" ? okx : other(id)]));
  const networks = new Map<string | null, Connector>([
    [null, evm],
    ["solana", solana],
    ["bitcoin", bitcoin],
  ]);

  return ({ account_type, exchange_name }) => {
    if (account_type === "wallet") return networks.get(exchange_name);
    return account_type === "exchange" ? exchanges.get(exchange_name ?? "") : undefined;
  };
}

function whenNeeded(open: () => Promise<Connector>): Connector {
  let opened: Promise<Connector> | undefined;
  return {
    async read(request) {
      opened ??= open();
      return (await opened).read(request);
    },
  };
}
