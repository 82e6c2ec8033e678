import { z } from "zod";
import type { Connector, ReadHolding, ReadRequest } from "../connectors/connector.ts";
import { Amount, MAX_HOLDINGS } from "../contract/holding.ts";
import { openCredentials } from "../credentials.ts";
import type { CredentialSeal } from "../seal.ts";
import type { Claim, ClaimedAccount } from "./claim.ts";
import { SyncError } from "./failure.ts";
import { EMPTY_REGISTRY } from "./registry.ts";

export type Registry = ReadRequest["registry"];

/** What an account is read with. */
export interface ReadingTools {
  readonly seal: CredentialSeal;
  readonly connectorFor: (account: ReadRequest["account"]) => Connector | undefined;
  readonly registry: () => Promise<Registry>;
}

/** Nothing is stored that could not be shown: a connector answers exact amounts, each asset once. */
const ReadHoldings = z
  .array(
    z.object({
      // Longer than what a user may set: contracts of one symbol are told apart in it.
      asset: z.string().regex(/^[^\s\p{C}]{1,200}$/u),
      symbol: z.string().min(1).max(100),
      chain: z.string().optional(),
      contract: z.string().optional(),
      quantity: Amount,
      available: Amount,
      frozen: Amount,
      decimals: z.int().min(0).max(255).optional(),
    }),
  )
  .max(MAX_HOLDINGS)
  .refine((holdings) => new Set(holdings.map(({ asset }) => asset)).size === holdings.length);

/** What people know an account's provider by. */
export function providerOf({ account_type, exchange_name }: ClaimedAccount): string {
  return exchange_name ?? (account_type === "wallet" ? "evm" : account_type);
}

/**
 * Reads what is in an account now. Its credentials are open only as long as that takes.
 * @throws SyncError, ConnectorError, or what nobody has foreseen.
 */
export async function readAccount(
  { seal, connectorFor, registry }: ReadingTools,
  { account, credentials }: Claim,
  signal: AbortSignal,
): Promise<readonly ReadHolding[]> {
  const { account_type, exchange_name, wallet_address, enabled_chains } = account;
  const asked = { account_type, exchange_name, wallet_address, enabled_chains };
  const provider = providerOf(account);
  const connector = connectorFor(asked);
  if (!connector) {
    throw new SyncError({ kind: "not_supported", message: `Accounts at ${provider} cannot be synced yet.` });
  }
  const isExchange = account_type === "exchange";
  const holdings = await connector.read({
    account: asked,
    ...(isExchange && { credentials: opened(seal, account.id, credentials, provider) }),
    registry: isExchange ? EMPTY_REGISTRY : await registryOf(registry),
    signal,
  });
  return checked(holdings, provider);
}

function opened(
  seal: CredentialSeal,
  accountId: string,
  rows: Claim["credentials"],
  provider: string,
): NonNullable<ReadRequest["credentials"]> {
  let open: ReturnType<typeof openCredentials>;
  try {
    open = openCredentials(seal, accountId, rows);
  } catch {
    // One that was sealed with a key that this installation no longer has.
    const message = `The key of ${provider} is kept under a seal that cannot be opened any more: enter it again.`;
    throw new SyncError({ kind: "missing_credentials", message });
  }
  const { api_key, api_secret, passphrase } = open;
  if (api_key === undefined || api_secret === undefined) {
    const message = `The account has no API key and secret: create a read-only key at ${provider} and enter both.`;
    throw new SyncError({ kind: "missing_credentials", message });
  }
  return { api_key, api_secret, ...(passphrase !== undefined && { passphrase }) };
}

async function registryOf(registry: () => Promise<Registry>): Promise<Registry> {
  try {
    return await registry();
  } catch {
    const message =
      "The list of chains and tokens cannot be read just now; what was last read is still shown.";
    throw new SyncError({ kind: "unavailable", message });
  }
}

function checked(holdings: readonly ReadHolding[], provider: string): readonly ReadHolding[] {
  if (holdings.length > MAX_HOLDINGS) {
    const message = `There are ${holdings.length} assets in this account, and an account may hold ${MAX_HOLDINGS}.`;
    throw new SyncError({ kind: "unexpected_answer", message });
  }
  const parsed = ReadHoldings.safeParse(holdings);
  if (parsed.success) return parsed.data as readonly ReadHolding[];
  const message = `What ${provider} answered cannot be understood; what it last answered is still shown.`;
  throw new SyncError({ kind: "unexpected_answer", message });
}
