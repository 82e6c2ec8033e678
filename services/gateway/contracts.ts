import { accounts } from "../accounts/contract.ts";
import { auth } from "../auth/contract.ts";
import { market } from "../market/contract.ts";
import { portfolios } from "../portfolios/contract.ts";
import { users } from "../users/contract.ts";

/** The contracts whose routes the gateway offers, the most used first. */
export const contracts = [portfolios, accounts, market, users, auth] as const;
