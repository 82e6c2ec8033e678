import type { AccountType } from "../contract.ts";

/** One asset in an account, as its provider has it now; amounts are exact, in plain digits. */
export interface ReadHolding {
  /** The asset key, each once: `SYMBOL-chain_id` in wallets, the exchange's own code at exchanges. */
  readonly asset: string;
  readonly symbol: string;
  readonly chain?: string;
  readonly contract?: string;
  readonly quantity: string;
  readonly available: string;
  readonly frozen: string;
  readonly decimals?: number;
}

/** What is to be read, and with what. */
export interface ReadRequest {
  readonly account: {
    readonly account_type: AccountType;
    readonly exchange_name: string | null;
    readonly wallet_address: string | null;
    /** Null: all active ones. */
    readonly enabled_chains: readonly string[] | null;
  };
  readonly credentials?: {
    readonly api_key: string;
    readonly api_secret: string;
    readonly passphrase?: string;
  };
  readonly registry: {
    readonly chains: readonly {
      readonly id: string;
      readonly rpc_url: string;
      readonly native_symbol: string;
      readonly evm_number?: number | undefined;
    }[];
    readonly evm_tokens: readonly {
      readonly chain: string;
      readonly symbol: string;
      readonly contract_address: string;
    }[];
    readonly solana_tokens: readonly { readonly symbol: string; readonly mint_address: string }[];
  };
  readonly signal: AbortSignal;
}

/** Reads accounts of one kind. */
export interface Connector {
  /** All that is in the account. @throws ConnectorError when not all of it could be read. */
  read(request: ReadRequest): Promise<readonly ReadHolding[]>;
}

export type ConnectorErrorKind =
  | "unavailable"
  | "timed_out"
  | "rate_limited"
  | "refused_credentials"
  | "incomplete"
  | "unexpected_answer";

/** An account could not be read. The message is for the user: no credentials, no URL with a key, nothing raw. */
export class ConnectorError extends Error {
  override readonly name = "ConnectorError";
  readonly kind: ConnectorErrorKind;
  readonly retryAfterSeconds: number | undefined;

  constructor(kind: ConnectorErrorKind, message: string, retryAfterSeconds?: number) {
    super(message);
    this.kind = kind;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
