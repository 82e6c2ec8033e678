import { sqlStateOf, UNIQUE_VIOLATION } from "../common/database/sql-states.ts";
import { problem } from "../common/problem.ts";

/** What each unique index keeps from being there twice. */
const members: Readonly<Record<string, string>> = {
  accounts_address_once: "wallet_address",
  credentials_key_once: "api_key",
};

/** ACCOUNT_DUPLICATE, if an error of the database says that a user's address or key is there already. */
export function duplicateBehind(error: unknown): Error | undefined {
  if (sqlStateOf(error) !== UNIQUE_VIOLATION) return undefined;
  const { constraint = "" } = error as { readonly constraint?: string };
  const member = members[constraint];
  if (member === undefined) return undefined;
  const detail = "is that of another account of yours";
  return problem("ACCOUNT_DUPLICATE", {
    detail: `/${member} ${detail}.`,
    errors: [{ pointer: `/${member}`, detail }],
  });
}
