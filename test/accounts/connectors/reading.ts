import { expect } from "@jest/globals";
import {
  ConnectorError,
  type ConnectorErrorKind,
  type ReadHolding,
  type ReadRequest,
} from "../../../services/accounts/connectors/connector.ts";
import { openConnectors } from "../../../services/accounts/connectors/open-connectors.ts";
import { json, type Misbehaviour, type ProviderServer } from "../../support/providers/provider-server.ts";

export interface Reading {
  read(more?: Partial<ReadRequest>): Promise<readonly ReadHolding[]>;
  /** What reading throws, checked to be fit for a user. */
  failure(more?: Partial<ReadRequest>): Promise<ConnectorError>;
}

/** Reads one account from local servers, through the connectors as their settings open them. */
export function reading(
  request: Partial<ReadRequest>,
  servers: readonly ProviderServer[],
  environment: Readonly<Record<string, string>> = {},
): Reading {
  const connectorFor = openConnectors({
    OUTGOING_PRIVATE_HOSTS: servers.map(({ host }) => host).join(","),
    PROVIDER_TIMEOUT_SECS: "3",
    ...environment,
  });
  const read: Reading["read"] = async (more = {}) => {
    const whole: ReadRequest = { ...blank, ...request, ...more };
    const connector = connectorFor(whole.account);
    if (!connector) throw new Error("There is no connector for this account.");
    return connector.read(whole);
  };
  return {
    read,
    async failure(more) {
      const error = await read(more).then(
        (holdings) => new Error(`It was read: ${JSON.stringify(holdings)}`),
        (reason: unknown) => reason,
      );
      if (!(error instanceof ConnectorError)) throw error;
      expect(error.message).not.toMatch(/https?:|127\.0\.0\.1|-secret|-passphrase|\bdoctype\b|undefined/);
      expect(error.message).toMatch(/^[A-Z].*\.$/);
      return error;
    },
  };
}

const blank: ReadRequest = {
  account: { account_type: "wallet", exchange_name: null, wallet_address: null, enabled_chains: null },
  registry: { chains: [], evm_tokens: [], solana_tokens: [] },
  signal: new AbortController().signal,
};

/** How every provider may fail, and what that is called. */
export const faults: readonly (readonly [name: string, Misbehaviour, ConnectorErrorKind])[] = [
  ["429", json({ error: "slow down" }, 429, { "retry-after": "7" }), "rate_limited"],
  ["500", json({ error: "oops" }, 500), "unavailable"],
  ["503 with a page of HTML", { status: 503, body: "<h1>doctype</h1>" }, "unavailable"],
  ["a page of HTML", "html", "unexpected_answer"],
  ["half of a JSON text", "truncated", "unexpected_answer"],
  ["a JSON text of something else", json({ jsonrpc: "2.0", id: 0, hello: [] }), "unexpected_answer"],
  ["an empty body", { body: "" }, "unexpected_answer"],
  ["a connection that ends within the body", "cut", "unavailable"],
  ["a connection that is reset", "reset", "unavailable"],
  ["no answer", "silent", "timed_out"],
  ["20 MB", "huge", "unexpected_answer"],
  ["a redirect", "redirect", "unexpected_answer"],
];
