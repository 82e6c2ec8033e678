import { z } from "zod";
import type { ActionEntries } from "../../common/contract.ts";
import { ExactNumber, Time, Uuid } from "../../common/values.ts";

/*
 * Terms. *Holdings*: what is in a portfolio's accounts together, one row per asset and chain, valued. *Unpriced*: there
 * is no price, so that it counts for nothing; the total is *incomplete* then. An asset is known by its contract, its
 * chain or its exchange, what is kept by hand by the symbol that the market lists; what nobody knows is unpriced and is
 * never taken for a known asset of the same symbol. *Construct*: keep the holdings of this moment as the *allocation*.
 */

/** A decimal in plain digits, as text. */
export const Quantity = z
  .string()
  .meta({ description: "A decimal number, exact, in plain digits.", examples: ["1.5"] });
const Percent = ExactNumber.meta({ description: "In percent; all of them add up to 100.", examples: [62.5] });
const Usd = ExactNumber.meta({ description: "US dollars, exact.", examples: [1234.5] });
const Decimals = z.int().min(0).optional();

const AccountShare = z.strictObject({
  account_id: Uuid,
  account_name: z.string(),
  quantity: Quantity,
  available: Quantity,
  frozen: Quantity,
  decimals: Decimals,
  normalized_quantity: Quantity,
});

const HeldAsset = z.strictObject({
  asset: z.string(),
  asset_id: Uuid.optional().meta({ description: "Left out where the asset is not known." }),
  chain: z.string().optional(),
  total_quantity: Quantity,
  total_available: Quantity,
  total_frozen: Quantity,
  decimals: Decimals.meta({ description: "Left out where accounts disagree." }),
  normalized_quantity: Quantity.meta({ description: "The quantity again." }),
  price_usd: Usd.nullable(),
  value_usd: Usd.nullable(),
  unpriced: z.boolean(),
  price_as_of: Time.optional(),
  price_source: z.string().optional(),
  price_stale: z.boolean().optional(),
  accounts: z.array(AccountShare),
});

/** What a portfolio holds now. */
export const PortfolioHoldings = z.strictObject({
  portfolio_id: Uuid,
  total_value_usd: Usd,
  incomplete: z
    .boolean()
    .meta({ description: "Something that is held has no price and is not in the total." }),
  holdings: z.array(HeldAsset).meta({ description: "Highest value first, what has no price last." }),
  allocation: z.array(
    z.strictObject({
      asset: z.string(),
      chain: z.string().optional(),
      value_usd: Usd,
      percentage: Percent,
    }),
  ),
  as_of: Time,
});
export type PortfolioHoldings = z.infer<typeof PortfolioHoldings>;

export const AllocatedAsset = z.strictObject({
  asset: z.string(),
  chain: z.string().optional(),
  quantity: Quantity,
  price_usd: Usd.optional(),
  value_usd: Usd,
  weight: Percent,
  unpriced: z.boolean(),
});
export type AllocatedAsset = z.infer<typeof AllocatedAsset>;

/** What a portfolio held when it was constructed. */
export const Allocation = z.strictObject({
  portfolio_id: Uuid,
  total_value_usd: Usd,
  holdings: z.array(AllocatedAsset),
  as_of: Time,
});
export type Allocation = z.infer<typeof Allocation>;

const PATH = "/v1/portfolios/{id}";
const ById = z.strictObject({ id: Uuid });

/** What portfolios hold, now and when they were last constructed. */
export const holdingsActions = {
  holdings: {
    summary: "Tell what a portfolio holds and what it is worth, now.",
    scope: "portfolios:read",
    http: [`GET ${PATH}/holdings`, `GET ${PATH}/holdings/latest`],
    params: ById,
    result: PortfolioHoldings,
    problems: ["PORTFOLIO_NOT_FOUND", "PORTFOLIO_TOO_LARGE"],
  },
  construct: {
    summary: "Keep what a portfolio holds now as its allocation, in place of the one before.",
    scope: "portfolios:write",
    http: `POST ${PATH}/construct`,
    params: ById,
    result: Allocation,
    problems: ["PORTFOLIO_NOT_FOUND", "PORTFOLIO_TOO_LARGE"],
  },
  allocation: {
    summary: "Get a portfolio's allocation as it was last constructed.",
    scope: "portfolios:read",
    http: `GET ${PATH}/allocation`,
    params: ById,
    result: Allocation,
    problems: ["PORTFOLIO_NOT_FOUND", "ALLOCATION_NOT_FOUND"],
  },
} as const satisfies ActionEntries;
