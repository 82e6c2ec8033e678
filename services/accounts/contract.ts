import { z } from "zod";
import { type ActionEntries, contract } from "../common/contract.ts";
import { isStorable, Name, PageParams, pageOf, Time, Uuid, Version } from "../common/values.ts";
import { accountEvents } from "./contract/events.ts";
import { HeldHolding, Holding, HoldingsToSet, ShownHolding } from "./contract/holding.ts";
import { syncActions, syncEvents } from "./contract/sync.ts";

/*
 * Terms. *Account*: a place where a user keeps assets: at an *exchange* (read with its credentials), in a *wallet*
 * (read by its address from the chains), or *manual* (the user says what is in it). *Holding*: a quantity of one asset
 * in one account; what of it is *frozen* cannot be moved now, what is *available* can. *Asset key*: how an account names
 * an asset: `SYMBOL-chain_id` in wallets (`ETH-base`), the bare symbol at exchanges. *Credentials*: what an exchange
 * gives for reading an account; they come in and never go out. *Stale*: the last sync failed, so the holdings are of
 * the last one that did not.
 */

/** Exchanges that can be named, by the names that connectors know them by. */
// biome-ignore format: one name a line would fill the page.
export const EXCHANGES = [
  "okx", "binance", "binanceus", "bitfinex", "bitget", "bitstamp", "bitvavo", "bybit", "coinbase",
  "cryptocom", "deribit", "gate", "gemini", "htx", "kraken", "kucoin", "mexc", "upbit", "woo",
] as const;
export type Exchange = (typeof EXCHANGES)[number];

/** Networks of wallets other than EVM ones, which a wallet names in `exchange_name`, as existing clients do. */
export const NETWORKS = ["solana", "bitcoin"] as const;

/** No list of a user's accounts is longer. */
export const MAX_ACCOUNTS_PER_USER = 200;
/** The most accounts that one call of another service asks for. */
export const MAX_ACCOUNTS_ASKED = 100;
const MAX_CHAINS = 50;

export const AccountType = z.enum(["exchange", "wallet", "manual"]);
export type AccountType = z.infer<typeof AccountType>;

const Text = z.string().trim();
/** In lower case, whatever case it comes in. */
const ExchangeName = Text.toLowerCase().pipe(z.enum([...EXCHANGES, ...NETWORKS]));
const text = (maximum: number) =>
  z.string().min(1, "must not be empty").max(maximum, `must have at most ${maximum} characters`);
/** Its form is the network's to say; the service checks it. */
const WalletAddress = Text.pipe(text(128));
const ChainId = z.string().regex(/^[a-z0-9_-]{1,50}$/, "must be a chain's id, for example ethereum");
const EnabledChains = z
  .array(ChainId)
  .max(MAX_CHAINS, `must have at most ${MAX_CHAINS} members`)
  .meta({ description: "Ids of the chains to look at; without it, all active ones." });

/** A private key in PEM form is the longest. */
const Credential = text(4096)
  .refine(isStorable, "must not contain NUL or unpaired surrogates")
  .nullish()
  .meta({ description: "Kept sealed, never answered.", writeOnly: true });

export const Account = z.strictObject({
  id: Uuid,
  user_id: Uuid,
  name: Name,
  account_type: AccountType,
  exchange_name: z.string().optional(),
  wallet_address: z.string().optional(),
  enabled_chains: z.array(z.string()).optional(),
  is_active: z.boolean(),
  last_synced_at: Time.optional(),
  last_sync_error: z.string().optional(),
  stale: z.boolean().meta({ description: "The last sync failed: the holdings are those of the one before." }),
  holdings: z.array(ShownHolding).optional().meta({ description: "Left out until set or synced once." }),
  created_at: Time,
  updated_at: Time,
  version: Version,
});
export type Account = z.infer<typeof Account>;

/** An account with all that is kept of its holdings; never its credentials. */
export const ExportedAccount = z.strictObject({ ...Account.shape, holdings: z.array(Holding).optional() });
export type ExportedAccount = z.infer<typeof ExportedAccount>;

/** An account as portfolios show those that they link, with what is in it. */
export const HeldAccount = Account.omit({
  user_id: true,
  enabled_chains: true,
  last_sync_error: true,
  version: true,
}).extend({
  exchange_name: z.string().nullable(),
  wallet_address: z.string().nullable(),
  last_synced_at: Time.nullable(),
  holdings: z.array(HeldHolding),
});
export type HeldAccount = z.infer<typeof HeldAccount>;

/** What clients give; `null` is like leaving it out, and in a change it takes away what was there. */
const writable = {
  name: Name,
  account_type: AccountType,
  exchange_name: ExchangeName.nullish(),
  wallet_address: WalletAddress.nullish(),
  enabled_chains: EnabledChains.nullish(),
  api_key: Credential,
  api_secret: Credential,
  passphrase: Credential,
};

const NEEDED = { exchange: "exchange_name", wallet: "wallet_address", manual: undefined } as const;

const ById = z.strictObject({ id: Uuid });
const MEMBER_PROBLEMS = ["ACCOUNT_MEMBERS_DISAGREE", "UNKNOWN_CHAIN", "NO_ACTIVE_CHAIN"] as const;
const CHANGE_PROBLEMS = ["ACCOUNT_NOT_FOUND", ...MEMBER_PROBLEMS] as const;
const IfMatch = { if_match: Version.optional() };

const accountActions = {
  list: {
    summary: "List the caller's accounts, oldest first.",
    scope: "accounts:read",
    http: "GET /v1/accounts",
    params: z.strictObject(PageParams),
    result: pageOf(Account),
  },
  create: {
    summary: "Add an account at an exchange, a wallet, or one that is kept by hand.",
    scope: "accounts:write",
    http: "POST /v1/accounts",
    status: 201,
    location: "/v1/accounts/{id}",
    params: z.strictObject(writable).superRefine((given, context) => {
      const needed = NEEDED[given.account_type];
      if (!needed || given[needed]) return;
      const message = `must be given for an account of type ${given.account_type}`;
      context.addIssue({ code: "custom", path: [needed], message });
    }),
    result: Account,
    problems: [...MEMBER_PROBLEMS, "ACCOUNT_DUPLICATE", "TOO_MANY_ACCOUNTS"],
  },
  get: {
    summary: "Get an account.",
    scope: "accounts:read",
    http: "GET /v1/accounts/{id}",
    params: ById,
    result: Account,
    problems: ["ACCOUNT_NOT_FOUND"],
  },
  update: {
    summary: "Change members of an account; its type, exchange and address stay as they are.",
    scope: "accounts:write",
    http: "PUT /v1/accounts/{id}",
    ifMatch: true,
    params: z.strictObject({
      ...ById.shape,
      ...writable,
      name: Name.optional(),
      account_type: AccountType.optional(),
      is_active: z.boolean().optional(),
      ...IfMatch,
    }),
    result: Account,
    problems: [...CHANGE_PROBLEMS, "ACCOUNT_DUPLICATE", "PRECONDITION_FAILED", "ACCOUNT_MEMBER_UNCHANGEABLE"],
  },
  delete: {
    summary: "Delete an account with its holdings and credentials.",
    scope: "accounts:write",
    http: "DELETE /v1/accounts/{id}",
    status: 204,
    ifMatch: true,
    params: z.strictObject({ ...ById.shape, ...IfMatch }),
    result: z.null(),
    problems: ["ACCOUNT_NOT_FOUND", "PRECONDITION_FAILED"],
  },
  setHoldings: {
    summary: "Say what is in a manual account; it replaces all that was there.",
    scope: "accounts:write",
    http: "PUT /v1/accounts/{id}/holdings",
    bodyMember: "holdings",
    ifMatch: true,
    params: z.strictObject({ ...ById.shape, holdings: HoldingsToSet, ...IfMatch }),
    result: Account,
    problems: ["ACCOUNT_NOT_FOUND", "ACCOUNT_NOT_MANUAL", "PRECONDITION_FAILED", "HOLDING_AMOUNTS_DISAGREE"],
  },
  holdings: {
    summary:
      "Accounts of a user with what is in them, in the order asked, without those that are not the user's.",
    scope: "internal",
    repeatable: true,
    params: z.strictObject({ user_id: Uuid, account_ids: z.array(Uuid).max(MAX_ACCOUNTS_ASKED) }),
    result: z.strictObject({
      accounts: z.array(HeldAccount),
      /** Those that did not fit into one message: to be asked for again. Absent when all did. */
      next_account_ids: z.array(Uuid).optional(),
    }),
  },
  exportUser: {
    summary: "All that is kept of a user here, but for the credentials.",
    scope: "internal",
    repeatable: true,
    params: z.strictObject({ user_id: Uuid, cursor: PageParams.cursor }),
    result: pageOf(ExportedAccount),
  },
  eraseUser: {
    summary: "Delete all that is kept of a user here; deleting it twice is no error.",
    scope: "internal",
    repeatable: true,
    params: z.strictObject({ user_id: Uuid }),
    result: z.null(),
  },
} as const satisfies ActionEntries;

export const accounts = contract(
  "accounts",
  { ...accountActions, ...syncActions },
  { events: { ...accountEvents, ...syncEvents } },
);
