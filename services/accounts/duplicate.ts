import { problem } from "../common/problem.ts";

/** SQLSTATE unique_violation. */
const UNIQUE_VIOLATION = "23505";

/** What each unique index keeps from being there twice. */
const members: Readonly<Record<string, string>> = {
  accounts_address_once: "wallet_address",
  credentials_key_once: "api_key",
};

/** ACCOUNT_DUPLICATE, if an error of the database says that a user's address or key is there already. */
export function duplicateBehind(error: unknown): Error | undefined {
  const { code, constraint } = (error ?? {}) as { code?: unknown; constraint?: unknown };
  const member =
    code === UNIQUE_VIOLATION && typeof constraint === "string" ? members[constraint] : undefined;
  if (member === undefined) return undefined;
  const detail = "is that of another account of yours";
  return problem("ACCOUNT_DUPLICATE", {
    detail: `/${member} ${detail}.`,
    errors: [{ pointer: `/${member}`, detail }],
  });
}
