import { contract } from "../common/contract.ts";
import { DriftBreached, driftActions } from "./contract/drift.ts";
import { hearingActions, portfolioEvents } from "./contract/events.ts";
import { holdingsActions } from "./contract/holdings.ts";
import { linkActions } from "./contract/links.ts";
import { portfolioActions } from "./contract/portfolio.ts";
import { recommendationActions } from "./contract/recommendations.ts";
import { SnapshotTaken, snapshotActions } from "./contract/snapshots.ts";

/*
 * Terms. *Portfolio*: a named set of a user's accounts, valued together. *Default portfolio*: the one that clients
 * show first; at most one per user, and the user's first portfolio becomes it. *Target allocation*: the percentage of
 * the portfolio's value that each asset, named by symbol, should have. *Guardrails*: limits that a rebalancing keeps to.
 */

export const portfolios = contract(
  "portfolios",
  {
    ...portfolioActions,
    ...linkActions,
    ...holdingsActions,
    ...driftActions,
    ...recommendationActions,
    ...snapshotActions,
    ...hearingActions,
  },
  {
    events: {
      ...portfolioEvents,
      "portfolios.drift_breached": DriftBreached,
      "portfolios.snapshot_taken": SnapshotTaken,
    },
  },
);
