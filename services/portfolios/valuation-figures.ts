import type { HeldAccount } from "../accounts/contract.ts";
import type { Quote } from "../market/contract.ts";
import type { Portfolio } from "./contract/portfolio.ts";
import type { AssetKinds } from "./domain/guardrail-states.ts";
import { type AccountHoldings, aggregateHoldings, type HoldingRow, type Prices } from "./domain/holdings.ts";
import { positionsOf, type Target } from "./domain/positions.ts";
import type { Valuation } from "./valuation.ts";
import { listed, referenceTo, textOf } from "./valuation-references.ts";

/** Quotes by the text of the reference that each was asked by. */
export type AskedQuotes = ReadonlyMap<string, Quote>;

/** The assets that are no alternatives, by what they are listed under. */
export const MAJORS = ["BTC", "ETH"];

/** The valuation of what these accounts hold, with the quotes that were asked for. */
export function valuationOf(
  portfolio: Portfolio,
  accounts: readonly HeldAccount[],
  asked: AskedQuotes,
): Valuation {
  const quotes = new Map([...asked.values()].map((quote) => [quote.asset_id, quote]));
  const prices = pricesOf(quotes);
  const aggregated = aggregateHoldings(
    accounts.map((account) => namedHoldings(account, asked)),
    prices,
  );
  const allocation = Object.entries(portfolio.target_allocation ?? {});
  const targets = new Map(allocation.map(([symbol]) => [symbol, listedAsset(symbol, asked)?.asset_id]));
  return {
    portfolio,
    accounts,
    quotes,
    targets,
    kinds: kindsOf(quotes, asked),
    holdings: { ...aggregated, holdings: aggregated.holdings.map((row) => withKnownId(row, quotes)) },
    positions: () => {
      const meant = allocation.map(([symbol, target_pct]) => targetOf(symbol, target_pct, asked));
      return positionsOf(aggregated.holdings, meant, prices).map(({ asset_id: id, ...position }) => ({
        ...position,
        asset_id: id !== undefined && quotes.has(id) ? id : undefined,
      }));
    },
    as_of: new Date().toISOString(),
  };
}

function kindsOf(quotes: ReadonlyMap<string, Quote>, asked: AskedQuotes): AssetKinds {
  const stable = [...quotes.values()].filter(({ asset_type }) => asset_type === "stablecoin");
  return {
    stablecoins: new Set(stable.map(({ asset_id }) => asset_id)),
    majors: new Set(MAJORS.flatMap((symbol) => listedAsset(symbol, asked)?.asset_id ?? [])),
    // No account holds any yet.
    futures: new Set(),
  };
}

function targetOf(symbol: string, target_pct: number, asked: AskedQuotes): Target {
  const asset = listedAsset(symbol, asked);
  if (!asset) return { asset: symbol, target_pct };
  return { asset: asset.symbol, asset_id: asset.asset_id, target_pct };
}

function listedAsset(symbol: string, asked: AskedQuotes): Quote | undefined {
  const reference = listed(symbol);
  return reference && asked.get(textOf(reference));
}

/**
 * An account's holdings by what they are. What the market does not know is told apart by how it would be known: two
 * unknown tokens may have one symbol. What is kept by hand has nothing but its symbol.
 */
function namedHoldings(account: HeldAccount, asked: AskedQuotes): AccountHoldings {
  return {
    account_id: account.id,
    account_name: account.name,
    holdings: account.holdings.map((held) => {
      const { chain, quantity, available, frozen, decimals } = held;
      const reference = referenceTo(account, held);
      const key = reference && textOf(reference);
      const quote = key === undefined ? undefined : asked.get(key);
      const id = quote?.asset_id ?? (account.account_type === "manual" ? undefined : key);
      return {
        asset: quote?.symbol ?? held.symbol,
        ...(id !== undefined && { asset_id: id }),
        ...(chain !== undefined && { chain }),
        quantity,
        available,
        frozen,
        ...(decimals !== undefined && { decimals }),
      };
    }),
  };
}

/** What stands for the id of an asset that nobody knows is no id. */
function withKnownId(row: HoldingRow, quotes: ReadonlyMap<string, Quote>): HoldingRow {
  if (row.asset_id === undefined || quotes.has(row.asset_id)) return row;
  const { asset_id: _, ...others } = row;
  return others;
}

function pricesOf(quotes: ReadonlyMap<string, Quote>): Prices {
  return new Map(
    [...quotes].flatMap(([id, { price_usd, as_of, source, stale }]) =>
      price_usd === null || as_of === null || source === null
        ? []
        : [[id, { price_usd, as_of, source, stale }]],
    ),
  );
}
