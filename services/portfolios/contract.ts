import { contract } from "../common/contract.ts";
import { portfolioActions } from "./contract/portfolio.ts";

/*
 * Terms. *Portfolio*: a named set of a user's accounts, valued together. *Default portfolio*: the one that clients
 * show first; at most one per user, and the user's first portfolio becomes it. *Target allocation*: the percentage of
 * the portfolio's value that each asset, named by symbol, should have. *Guardrails*: limits that a rebalancing keeps to.
 */

export const portfolios = contract("portfolios", { ...portfolioActions });
