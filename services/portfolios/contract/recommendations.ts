import { z } from "zod";
import type { ActionEntries } from "../../common/contract.ts";
import { PageParams, pageOf, text, Uuid, Version } from "../../common/values.ts";
import {
  Constraints,
  MAX_ORDERS,
  MetadataToPropose,
  OrderToPropose,
  Recommendation,
  RecommendationStatus,
  Recommendations,
  RecommendationType,
  SignedAmount,
} from "./recommendation-members.ts";

/*
 * Terms. *Recommendation*: orders that are proposed, and why; nothing is ever traded here. *Pending*: nobody has decided
 * yet. *Executed*: the user says that the orders were carried out. *Expired*: its time passed before anybody decided,
 * or a newer one took its place; what is approved does not expire, since execution only records what was done.
 */

const OfPortfolio = z.strictObject({ id: Uuid });
const One = z.strictObject({ ...OfPortfolio.shape, recommendation_id: Uuid });
const PATH = "/v1/portfolios/{id}/recommendations";
const ONE_PATH = `${PATH}/{recommendation_id}` as const;

const move = {
  scope: "portfolios:write",
  ifMatch: true,
  params: z.strictObject({ ...One.shape, if_match: Version.optional() }),
  result: Recommendation,
  problems: [
    "PORTFOLIO_NOT_FOUND",
    "RECOMMENDATION_NOT_FOUND",
    "RECOMMENDATION_STATE",
    "PRECONDITION_FAILED",
  ],
} as const;

/** What is recommended for portfolios, and what became of it. */
export const recommendationActions = {
  listRecommendations: {
    summary: "List a portfolio's recommendations, newest first.",
    scope: "portfolios:read",
    http: `GET ${PATH}`,
    params: z.strictObject({
      ...OfPortfolio.shape,
      ...PageParams,
      status: RecommendationStatus.optional(),
      recommendation_type: RecommendationType.optional(),
    }),
    result: Recommendations,
    problems: ["PORTFOLIO_NOT_FOUND"],
  },
  getRecommendation: {
    summary: "Get a recommendation.",
    scope: "portfolios:read",
    http: `GET ${ONE_PATH}`,
    params: One,
    result: Recommendation,
    problems: ["PORTFOLIO_NOT_FOUND", "RECOMMENDATION_NOT_FOUND"],
  },
  createRecommendation: {
    summary: "Keep a recommendation of one's own; it is pending, and does not expire.",
    scope: "portfolios:write",
    http: `POST ${PATH}`,
    status: 201,
    location: "/v1/portfolios/{portfolio_id}/recommendations/{id}",
    params: z.strictObject({
      ...OfPortfolio.shape,
      recommendation_type: RecommendationType,
      rationale: text(2000),
      proposed_orders: z.array(OrderToPropose).max(MAX_ORDERS, `must have at most ${MAX_ORDERS} members`),
      expected_impact: SignedAmount.nullish().meta({ description: "US dollars." }),
      metadata: MetadataToPropose.nullish(),
    }),
    result: Recommendation,
    problems: ["PORTFOLIO_NOT_FOUND", "TOO_MANY_RECOMMENDATIONS"],
  },
  generateRecommendations: {
    summary:
      "Work out what brings the portfolio to its targets; nothing where there is nothing to do. What an earlier one " +
      "proposed is answered again while its inputs are the same and it is pending; else it expires.",
    scope: "portfolios:write",
    http: `POST ${PATH}/generate`,
    params: z.strictObject({ ...OfPortfolio.shape, ...Constraints.shape }),
    result: Recommendations,
    problems: [
      "PORTFOLIO_NOT_FOUND",
      "PORTFOLIO_TOO_LARGE",
      "TARGETS_MISSING",
      "RECOMMENDATION_NOT_POSSIBLE",
      "TOO_MANY_RECOMMENDATIONS",
    ],
  },
  approveRecommendation: {
    ...move,
    summary: "Approve a recommendation that is pending.",
    http: `POST ${ONE_PATH}/approve`,
  },
  rejectRecommendation: {
    ...move,
    summary: "Reject a recommendation that is pending.",
    http: `POST ${ONE_PATH}/reject`,
  },
  executeRecommendation: {
    ...move,
    summary: "Note that an approved recommendation was carried out; nothing is traded.",
    http: `POST ${ONE_PATH}/execute`,
  },
  exportRecommendations: {
    summary: "All recommendations that are kept for a user.",
    scope: "internal",
    repeatable: true,
    params: z.strictObject({ user_id: Uuid, cursor: PageParams.cursor }),
    result: pageOf(Recommendation),
  },
} as const satisfies ActionEntries;
