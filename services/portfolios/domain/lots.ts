import { amount, compareTexts, Decimal, decimal, plain, sum, ZERO } from "./decimals.ts";

/*
 * Terms. *Basis*: what a quantity cost, fees included. *Lot*: what is left of one purchase. *Disposal*: a sale, with the
 * basis of what was sold. An unknown basis (a deposit from who knows where) is `null`, and so is all that it enters.
 */

export type LotMethod = "FIFO" | "LIFO" | "HIFO" | "AVERAGE";

export type LedgerEntry =
  | {
      readonly type: "buy" | "sell";
      /** RFC 3339 or a date, alike in all entries. Of equal times, the entry that comes later in the list is the newer. */
      readonly at: string;
      readonly quantity: string;
      /** quantity × price; `null` where it is not known. */
      readonly amount_usd: string | null;
      /** On top of what is bought, off what is sold. `"0"` unless given. */
      readonly fee_usd?: string;
    }
  /** `for_each` units become `becomes`: 1 and 2 for a split of two for one. */
  | { readonly type: "split"; readonly at: string; readonly becomes: string; readonly for_each: string };

export interface Lot {
  readonly at: string;
  readonly quantity: Decimal;
  readonly basis: Decimal | null;
}

export interface Disposal {
  readonly at: string;
  readonly quantity: Decimal;
  /** After fees. */
  readonly proceeds: Decimal | null;
  /** Of what was there; what was not there is taken to have cost nothing, and reported. */
  readonly basis: Decimal | null;
  readonly missing_quantity: Decimal;
}

export interface Ledger {
  readonly method: LotMethod;
  /** Oldest first; with average cost at most one. */
  readonly lots: readonly Lot[];
  /** In the order of the sales. */
  readonly disposals: readonly Disposal[];
}

/** Basis that is split between what is sold and what stays is rounded here, half to even; the two still add up. */
const BASIS_PLACES = 60;
/** A split into thirds has no exact quantity; half to even. */
const QUANTITY_PLACES = 60;

/**
 * Assigns sales to purchases: the oldest lot first (FIFO), the newest (LIFO), the one with the highest basis per unit
 * (HIFO; unknown ones last, equals oldest first), or a part of one pool (average cost, UK Section 104).
 * Source: HMRC, Cryptoassets Manual CRYPTO22250; US Treas. Reg. § 1.1012-1(j); rotki, cost basis.
 */
export function ledgerOf(entries: readonly LedgerEntry[], method: LotMethod): Ledger {
  let lots: Lot[] = [];
  const disposals: Disposal[] = [];
  for (const entry of inOrder(entries)) {
    if (entry.type === "split") lots = lots.map((lot) => afterSplit(lot, entry));
    else if (entry.type === "buy") lots = afterPurchase(lots, purchase(entry), method);
    else {
      const { disposal, left } = sell(lots, entry, method);
      disposals.push(disposal);
      lots = left;
    }
  }
  return { method, lots, disposals };
}

/** By time; entries of one time stay in the order of the list. */
export function inOrder(entries: readonly LedgerEntry[]): LedgerEntry[] {
  return entries.toSorted((one, other) => compareTexts(one.at, other.at));
}

type Trade = Exclude<LedgerEntry, { type: "split" }>;

function purchase({ at, quantity, amount_usd, fee_usd = "0" }: Trade): Lot {
  const fee = amount(fee_usd, "fee_usd");
  const basis = amount_usd === null ? null : amount(amount_usd, "amount_usd").plus(fee);
  return { at, quantity: amount(quantity, "quantity"), basis };
}

function afterPurchase(lots: readonly Lot[], bought: Lot, method: LotMethod): Lot[] {
  if (bought.quantity.isZero()) return [...lots];
  const [pool] = lots;
  if (method !== "AVERAGE" || !pool) return [...lots, bought];
  const basis = pool.basis && bought.basis ? pool.basis.plus(bought.basis) : null;
  return [{ at: pool.at, quantity: pool.quantity.plus(bought.quantity), basis }];
}

function sell(
  lots: readonly Lot[],
  { at, quantity, amount_usd, fee_usd = "0" }: Trade,
  method: LotMethod,
): { disposal: Disposal; left: Lot[] } {
  const sold = amount(quantity, "quantity");
  let wanted = sold;
  let basis: Decimal | null = ZERO;
  const left = new Map(lots.entries());
  for (const index of takingOrder(lots, method)) {
    if (wanted.isZero()) break;
    const lot = lots[index] as Lot;
    const taken = Decimal.min(wanted, lot.quantity);
    const part = basisOf(lot, taken);
    wanted = wanted.minus(taken);
    basis = basis && part ? basis.plus(part) : null;
    const rest = lot.quantity.minus(taken);
    if (rest.isZero()) left.delete(index);
    else
      left.set(index, {
        at: lot.at,
        quantity: rest,
        basis: lot.basis && part ? lot.basis.minus(part) : null,
      });
  }
  const fee = amount(fee_usd, "fee_usd");
  const proceeds = amount_usd === null ? null : amount(amount_usd, "amount_usd").minus(fee);
  return {
    disposal: { at, quantity: sold, proceeds, basis, missing_quantity: wanted },
    left: [...left.values()],
  };
}

/** The lots' indexes in the order in which they are sold. Lots are kept oldest first. */
function takingOrder(lots: readonly Lot[], method: LotMethod): number[] {
  const indexes = [...lots.keys()];
  if (method === "LIFO") return indexes.reverse();
  if (method !== "HIFO") return indexes;
  return indexes.sort((one, other) => compareUnitBasis(lots[other] as Lot, lots[one] as Lot) || one - other);
}

/** basis / quantity of the one against the other's, multiplied out; unknown is lowest. */
function compareUnitBasis(one: Lot, other: Lot): number {
  if (one.basis && other.basis)
    return one.basis.times(other.quantity).comparedTo(other.basis.times(one.quantity));
  return Number(one.basis !== null) - Number(other.basis !== null);
}

/** The part of a lot's basis that goes with a part of it; all of it with all, so that nothing is lost by rounding. */
function basisOf({ quantity, basis }: Lot, taken: Decimal): Decimal | null {
  if (!basis || taken.equals(quantity)) return basis;
  return basis.times(taken).div(quantity).toDecimalPlaces(BASIS_PLACES, Decimal.ROUND_HALF_EVEN);
}

function afterSplit(lot: Lot, { becomes, for_each }: Extract<LedgerEntry, { type: "split" }>): Lot {
  const quantity = lot.quantity
    .times(amount(becomes, "becomes"))
    .div(decimal(for_each))
    .toDecimalPlaces(QUANTITY_PLACES, Decimal.ROUND_HALF_EVEN);
  return { ...lot, quantity };
}

/** All that is left, as text. */
export function remaining({ lots }: Ledger): { quantity: string; basis_usd: string | null } {
  const bases = lots.map(({ basis }) => basis);
  return {
    quantity: plain(sum(lots.map(({ quantity }) => quantity))),
    basis_usd: bases.every((basis) => basis !== null) ? plain(sum(bases)) : null,
  };
}
