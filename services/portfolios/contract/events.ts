import { z } from "zod";
import { accounts } from "../../accounts/contract.ts";
import { type ActionEntries, hears } from "../../common/contract.ts";
import { Uuid } from "../../common/values.ts";

const OfPortfolio = z.strictObject({ portfolio_id: Uuid, user_id: Uuid });

/** What happens to a portfolio; its id is the aggregate's. */
export const portfolioEvents = {
  "portfolios.created": OfPortfolio,
  /** Also when it stops being the default, because another has become it. */
  "portfolios.updated": OfPortfolio,
  "portfolios.deleted": OfPortfolio,
} as const;

export const hearingActions = {
  accountDeleted: hears(accounts, "accounts.deleted", "Remove a deleted account from all portfolios."),
} as const satisfies ActionEntries;
