import { z } from "zod";
import { HeldAccount } from "../../accounts/contract.ts";
import type { ActionEntries } from "../../common/contract.ts";
import { PageParams, pageOf, Time, Uuid } from "../../common/values.ts";

/*
 * Terms. *Link*: that an account counts towards a portfolio; one account may count towards several. Linking lets those
 * who read the portfolio see what is in the account, so a token for one portfolio cannot do it.
 */

/** No portfolio is made of more accounts: so many are read with one call. */
export const MAX_LINKED_ACCOUNTS = 100;

/** An account as a portfolio shows it. */
export const LinkedAccount = HeldAccount.omit({ stale: true, holdings: true });
export type LinkedAccount = z.infer<typeof LinkedAccount>;

export const AccountLink = z.strictObject({
  id: Uuid,
  portfolio_id: Uuid,
  account_id: Uuid,
  added_at: Time,
});
export type AccountLink = z.infer<typeof AccountLink>;

const PATH = "/v1/portfolios/{id}/accounts";
const ById = z.strictObject({ id: Uuid });
const OneLink = z.strictObject({ ...ById.shape, account_id: Uuid });

/** The accounts that portfolios are made of. */
export const linkActions = {
  listAccounts: {
    summary: "List the accounts that are linked to a portfolio, in the order in which they were linked.",
    scope: "portfolios:read",
    http: `GET ${PATH}`,
    params: z.strictObject({ ...ById.shape, ...PageParams }),
    result: pageOf(LinkedAccount),
    problems: ["PORTFOLIO_NOT_FOUND"],
  },
  linkAccount: {
    summary: "Link an account to a portfolio.",
    scope: "portfolios:write",
    http: `POST ${PATH}`,
    status: 201,
    location: "/v1/portfolios/{portfolio_id}/accounts/{account_id}",
    params: OneLink,
    result: AccountLink,
    problems: [
      "PORTFOLIO_NOT_FOUND",
      "ACCOUNT_NOT_FOUND",
      "ACCOUNT_ALREADY_LINKED",
      "TOO_MANY_LINKED_ACCOUNTS",
    ],
  },
  replaceAccounts: {
    summary: "Say which accounts are linked to a portfolio, all of them; none may be given.",
    scope: "portfolios:write",
    http: `PUT ${PATH}`,
    params: z.strictObject({
      ...ById.shape,
      account_ids: z
        .array(Uuid)
        .max(MAX_LINKED_ACCOUNTS, `must have at most ${MAX_LINKED_ACCOUNTS} members`)
        .meta({ description: "An id that is there twice counts once." }),
    }),
    result: z.array(LinkedAccount).max(MAX_LINKED_ACCOUNTS),
    problems: ["PORTFOLIO_NOT_FOUND", "ACCOUNT_NOT_FOUND"],
  },
  unlinkAccount: {
    summary: "Take an account out of a portfolio; the account itself stays.",
    scope: "portfolios:write",
    http: `DELETE ${PATH}/{account_id}`,
    status: 204,
    params: OneLink,
    result: z.null(),
    problems: ["PORTFOLIO_NOT_FOUND", "ACCOUNT_NOT_LINKED"],
  },
} as const satisfies ActionEntries;
