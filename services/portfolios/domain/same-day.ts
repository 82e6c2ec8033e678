import assert from "node:assert/strict";
import { compareTexts, Decimal, decimal, plain, quotientDown, sum } from "./decimals.ts";
import { type Disposal, inOrder, type Ledger, type LedgerEntry, ledgerOf } from "./lots.ts";

type Trade = Exclude<LedgerEntry, { type: "split" }>;

const DATE_LENGTH = "2026-01-31".length;
/** The part of the day's proceeds that belongs to what is matched is rounded down here; the rest goes to the pool. */
const SHARE_PLACES = 60;

/**
 * Average cost with the same-day rule: all purchases of a day are one and all sales of a day are one, which are matched
 * with each other first; only what is left over goes into the pool, or comes out of it. A day with both a split and
 * trades is refused: before the split and after it, a unit is not the same thing.
 * Source: HMRC, Cryptoassets Manual CRYPTO22251 and CRYPTO22252 (TCGA 1992 s. 105).
 */
export function sameDayLedger(entries: readonly LedgerEntry[]): Ledger {
  const days = new Map<string, LedgerEntry[]>();
  for (const entry of inOrder(entries)) {
    const day = entry.at.slice(0, DATE_LENGTH);
    const ofDay = days.get(day);
    if (ofDay) ofDay.push(entry);
    else days.set(day, [entry]);
  }
  const matched = [...days].map(([day, ofDay]) => matchedDay(day, ofDay));
  const pool = ledgerOf(
    matched.flatMap(({ rest }) => rest),
    "AVERAGE",
  );
  const disposals = [...matched.flatMap((day) => day.disposals), ...pool.disposals];
  return { ...pool, disposals: disposals.sort((one, other) => compareTexts(one.at, other.at)) };
}

/** What a day's own purchases cover, and what is left for the pool. */
function matchedDay(
  day: string,
  entries: readonly LedgerEntry[],
): { readonly disposals: readonly Disposal[]; readonly rest: readonly LedgerEntry[] } {
  const trades = entries.filter((entry) => entry.type !== "split");
  if (trades.length < entries.length) {
    assert.ok(
      trades.length === 0,
      `${day} has both a split and trades, which the same-day rule cannot match`,
    );
    return { disposals: [], rest: entries };
  }
  const bought = merged(day, "buy", trades);
  const sold = merged(day, "sell", trades);
  if (!bought || !sold) return { disposals: [], rest: [bought, sold].filter((trade) => trade !== undefined) };
  const part = Decimal.min(decimal(bought.quantity), decimal(sold.quantity));
  const [covered, uncovered] = split(sold, part);
  const { disposals, lots } = ledgerOf([bought, covered], "FIFO");
  const kept = lots.map(
    ({ quantity, basis }): Trade => ({
      type: "buy",
      at: day,
      quantity: plain(quantity),
      amount_usd: basis && plain(basis),
    }),
  );
  return { disposals, rest: decimal(uncovered.quantity).isZero() ? kept : [...kept, uncovered] };
}

/** All trades of one kind as one; none where there are none, or of nothing. */
function merged(day: string, type: Trade["type"], trades: readonly Trade[]): Trade | undefined {
  const ofType = trades.filter((trade) => trade.type === type);
  const quantity = sum(ofType.map((trade) => decimal(trade.quantity)));
  if (quantity.isZero()) return undefined;
  const amounts = ofType.map(({ amount_usd }) => amount_usd);
  return {
    type,
    at: day,
    quantity: plain(quantity),
    amount_usd: amounts.every((amount) => amount !== null) ? plain(sum(amounts.map(decimal))) : null,
    fee_usd: plain(sum(ofType.map(({ fee_usd = "0" }) => decimal(fee_usd)))),
  };
}

/** A trade as one of `quantity` and one of the rest, with amount and fee in proportion. */
function split(trade: Trade, quantity: Decimal): [Trade, Trade] {
  const whole = decimal(trade.quantity);
  const part = (text: string) => quotientDown(decimal(text).times(quantity), whole, SHARE_PLACES);
  const minus = (text: string) => plain(decimal(text).minus(part(text)));
  const { amount_usd, fee_usd = "0" } = trade;
  return [
    {
      ...trade,
      quantity: plain(quantity),
      amount_usd: amount_usd === null ? null : plain(part(amount_usd)),
      fee_usd: plain(part(fee_usd)),
    },
    {
      ...trade,
      quantity: plain(whole.minus(quantity)),
      amount_usd: amount_usd === null ? null : minus(amount_usd),
      fee_usd: minus(fee_usd),
    },
  ];
}
