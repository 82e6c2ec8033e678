import type { accounts, HeldAccount } from "../accounts/contract.ts";
import type { Call } from "../common/contract.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import { problem } from "../common/problem.ts";
import { type AssetReference, MAX_QUOTES, type market, type Quote } from "../market/contract.ts";
import type { Portfolio } from "./contract/portfolio.ts";
import type { AssetKinds } from "./domain/guardrail-states.ts";
import type { Holdings } from "./domain/holdings.ts";
import type { Position } from "./domain/positions.ts";
import type { PortfolioKey } from "./reads.ts";
import { type AskedQuotes, MAJORS, valuationOf } from "./valuation-figures.ts";
import { linkedPortfolios } from "./valuation-reads.ts";
import { listed, referenceTo, textOf } from "./valuation-references.ts";

/** A portfolio with what it holds and what that is worth, at one moment. */
export interface Valuation {
  readonly portfolio: Portfolio;
  readonly accounts: readonly HeldAccount[];
  /** By asset id: of all that is held or targeted and known. */
  readonly quotes: ReadonlyMap<string, Quote>;
  /** The asset that each target's symbol means; undefined where it is not listed. */
  readonly targets: ReadonlyMap<string, string | undefined>;
  readonly kinds: AssetKinds;
  readonly holdings: Holdings;
  /** One position per asset over all chains, with its target; worked out when asked for. */
  readonly positions: () => readonly Position[];
  /** RFC 3339, UTC, milliseconds. */
  readonly as_of: string;
}

export type ValuationCall = Call<typeof accounts | typeof market>;

/**
 * Values a user's portfolio now, with one call to `accounts` and one to `market`; with more only where what is held
 * does not fit into one message.
 * @throws PORTFOLIO_NOT_FOUND, PORTFOLIO_TOO_LARGE
 */
export type Value = (key: PortfolioKey, call: ValuationCall) => Promise<Valuation>;

/** More than this is not valued while somebody waits. */
const MAX_HELD = 20_000;

export function valuations(pool: ConnectionPool): Value {
  const read = linkedPortfolios(pool);
  return async (key, call) => {
    const found = await read(key);
    if (!found) throw problem("PORTFOLIO_NOT_FOUND");
    const { portfolio, accountIds } = found;
    const accounts = await heldAccounts(call, key.userId, accountIds, MAX_HELD);
    const symbols = Object.keys(portfolio.target_allocation ?? {});
    const quotes = await quotesFor(call, [
      ...accounts.flatMap((account) => account.holdings.map((held) => referenceTo(account, held))),
      ...symbols.map(listed),
    ]);
    return valuationOf(portfolio, accounts, quotes);
  };
}

/**
 * What is in a user's accounts, in the order asked, without those that are no longer there.
 * @throws PORTFOLIO_TOO_LARGE when it is more than `maxHoldings`, if that is given.
 */
export async function heldAccounts(
  call: ValuationCall,
  userId: string,
  accountIds: readonly string[],
  maxHoldings = Number.POSITIVE_INFINITY,
): Promise<HeldAccount[]> {
  const held: HeldAccount[] = [];
  let holdings = 0;
  // Each answer has one of the accounts at least, unless none is there.
  for (let rest = [...accountIds]; rest.length > 0; ) {
    const answer = await call("accounts.holdings", { user_id: userId, account_ids: rest });
    held.push(...answer.accounts);
    holdings += answer.accounts.reduce((sum, account) => sum + account.holdings.length, 0);
    if (holdings > maxHoldings) throw tooLarge();
    rest = answer.next_account_ids ?? [];
  }
  return held;
}

async function quotesFor(
  call: ValuationCall,
  references: readonly (AssetReference | undefined)[],
): Promise<AskedQuotes> {
  const asked = new Map(
    references.flatMap((reference) => (reference ? [[textOf(reference), reference]] : [])),
  );
  if (asked.size === 0) return new Map();
  for (const symbol of MAJORS) asked.set(textOf({ listed: symbol }), { listed: symbol });
  const texts = [...asked.keys()];
  const assets = [...asked.values()];
  const parts: Promise<(Quote | null)[]>[] = [];
  for (let start = 0; start < assets.length; start += MAX_QUOTES) {
    parts.push(call("market.quotes", { assets: assets.slice(start, start + MAX_QUOTES) }));
  }
  const quotes = (await Promise.all(parts)).flat();
  return new Map(
    texts.flatMap((text, index) => {
      const quote = quotes[index];
      return quote ? [[text, quote]] : [];
    }),
  );
}

/** There is a limit to what one portfolio may hold. */
export function tooLarge(): Error {
  return problem("PORTFOLIO_TOO_LARGE", {
    detail: "The portfolio's accounts hold more than one reply takes; take some of them out of it.",
  });
}
