import { type Decimal, ONE, sum, timesInto, ZERO } from "./decimals.ts";
import { sellableLots, type Tradable } from "./rebalancing-assets.ts";

/** What paying for the trades allows: the smallest order, the fee as a fraction, and cash to spend (negative: to raise). */
export interface Funding {
  readonly minimum: Decimal;
  readonly fee: Decimal;
  readonly cash: Decimal;
}

/** An order in the making: how many lots are wanted, and how many it gets. */
interface Order {
  readonly index: number;
  readonly asset: Tradable;
  readonly wanted: Decimal;
  lots: Decimal;
}

/**
 * The lots to buy (positive) and sell (negative) of each asset to come as near to its goal as whole lots, the smallest
 * order, and the money allow, without going beyond it. Sells bring in what buys, fees and the cash to raise need and no
 * more than a lot above that; only to raise cash is more sold than the goals ask for. `null` where that cash cannot be
 * raised at all.
 */
export function tradesToward(
  assets: readonly Tradable[],
  goals: readonly Decimal[],
  { minimum, fee, cash }: Funding,
): Decimal[] | null {
  const sells: Order[] = [];
  const buys: Order[] = [];
  for (const [index, asset] of assets.entries()) {
    const gap = (goals[index] as Decimal).minus(asset.value);
    const lots = timesInto(gap.abs(), asset.lotValue);
    const wanted = gap.isNegative() && lots.greaterThan(sellableLots(asset)) ? sellableLots(asset) : lots;
    (gap.isNegative() ? sells : buys).push({ index, asset, wanted, lots: orNothing(asset, wanted, minimum) });
  }
  // What keeps nothing after its fee raises nothing.
  const kept = ONE.minus(fee);
  if (kept.isZero()) for (const sell of sells) sell.lots = ZERO;
  let money = cash.plus(worth(sells).times(kept));
  if (money.isNegative()) {
    const everything = [...sells, ...buys.map((buy) => ({ ...buy, wanted: ZERO, lots: ZERO }))];
    if (!raise(everything, money.abs(), kept, minimum)) return null;
    for (const buy of buys) buy.lots = ZERO;
    return byIndex(assets.length, [], everything);
  }
  const wanted = buys.filter(({ lots }) => !lots.isZero());
  const cost = ONE.plus(fee);
  const bought = worth(wanted).times(cost).lessThanOrEqualTo(money)
    ? wanted
    : shareMoney(wanted, money, cost, minimum);
  money = money.minus(worth(bought).times(cost));
  sellLess(sells, money, kept, minimum);
  return byIndex(assets.length, bought, sells);
}

/** The fees and the money that is left after the trades. */
export function settle(
  assets: readonly Tradable[],
  lots: readonly Decimal[],
  fee: Decimal,
  cash: Decimal,
): { sells: Decimal; buys: Decimal; fees: Decimal; left: Decimal } {
  const values = assets.map(({ lotValue }, index) => (lots[index] ?? ZERO).times(lotValue));
  const buys = sum(values.filter((value) => value.isPositive()));
  const sells = sum(values.filter((value) => value.isNegative())).negated();
  const fees = sells.plus(buys).times(fee);
  return { sells, buys, fees, left: cash.plus(sells).minus(buys).minus(fees) };
}

function worth(orders: readonly Order[]): Decimal {
  return sum(orders.map(({ asset, lots }) => lots.times(asset.lotValue)));
}

/** The lots, or none where they are worth less than the smallest order. */
function orNothing({ lotValue }: Tradable, lots: Decimal, minimum: Decimal): Decimal {
  return lots.times(lotValue).lessThan(minimum) ? ZERO : lots;
}

function lotsUp(value: Decimal, perLot: Decimal): Decimal {
  const lots = timesInto(value, perLot);
  return lots.times(perLot).lessThan(value) ? lots.plus(ONE) : lots;
}

/** Sells more, first what is furthest above its goal, until `needed` is there; whether it got there. */
function raise(orders: Order[], needed: Decimal, kept: Decimal, minimum: Decimal): boolean {
  if (kept.isZero()) return false;
  let missing = needed;
  for (const order of inOrder(orders).reverse()) {
    const { asset } = order;
    const most = sellableLots(asset);
    const more = lotsUp(missing, asset.lotValue.times(kept));
    const least = lotsUp(minimum, asset.lotValue);
    const lots = smaller(larger(order.lots.plus(more), least), most);
    if (lots.lessThan(least) || lots.lessThanOrEqualTo(order.lots)) continue;
    missing = missing.minus(lots.minus(order.lots).times(asset.lotValue).times(kept));
    order.lots = lots;
    if (!missing.isPositive() || missing.isZero()) return true;
  }
  return false;
}

/**
 * Shares money that is less than the buys need in proportion to them. Where that makes orders too small, the smallest
 * are left out, as few as possible (by halving the interval); what whole lots leave goes to the largest that want more.
 */
function shareMoney(buys: readonly Order[], money: Decimal, cost: Decimal, minimum: Decimal): Order[] {
  const largestFirst = inOrder(buys).reverse();
  let most = 0;
  let shared: Order[] = [];
  let tooMany = largestFirst.length + 1;
  while (tooMany - most > 1) {
    const count = Math.floor((most + tooMany) / 2);
    const attempt = proportional(largestFirst.slice(0, count), money, cost);
    if (attempt.every(({ asset, lots }) => !orNothing(asset, lots, minimum).isZero())) {
      most = count;
      shared = attempt;
    } else tooMany = count;
  }
  let left = money.minus(worth(shared).times(cost));
  for (const order of shared) {
    const perLot = order.asset.lotValue.times(cost);
    const more = smaller(order.wanted.minus(order.lots), timesInto(left, perLot));
    order.lots = order.lots.plus(more);
    left = left.minus(more.times(perLot));
  }
  return shared;
}

function proportional(buys: readonly Order[], money: Decimal, cost: Decimal): Order[] {
  const needed = worth(buys).times(cost);
  if (needed.lessThanOrEqualTo(money)) return buys.map((buy) => ({ ...buy }));
  return buys.map((buy) => ({ ...buy, lots: timesInto(buy.lots.times(money), needed) }));
}

/** Takes back what sells bring in beyond the need, from the smallest sell on. */
function sellLess(sells: readonly Order[], excess: Decimal, kept: Decimal, minimum: Decimal): void {
  if (kept.isZero()) return;
  let left = excess;
  for (const sell of inOrder(sells)) {
    if (sell.lots.isZero()) continue;
    const perLot = sell.asset.lotValue.times(kept);
    const fewer = sell.lots.minus(smaller(sell.lots, timesInto(left, perLot)));
    const least = lotsUp(minimum, sell.asset.lotValue);
    const lots = fewer.isZero() ? fewer : smaller(larger(fewer, least), sell.lots);
    left = left.minus(sell.lots.minus(lots).times(perLot));
    sell.lots = lots;
  }
}

/** By the value that is wanted, then by key from Z to A, so that reversed it goes from A to Z. */
function inOrder<Item extends Order>(orders: readonly Item[]): Item[] {
  return orders.toSorted(
    (one, other) =>
      one.wanted.times(one.asset.lotValue).comparedTo(other.wanted.times(other.asset.lotValue)) ||
      other.index - one.index,
  );
}

function byIndex(length: number, buys: readonly Order[], sells: readonly Order[]): Decimal[] {
  const lots = Array.from({ length }, () => ZERO);
  for (const { index, lots: bought } of buys) lots[index] = bought;
  for (const { index, lots: sold } of sells) if (!sold.isZero()) lots[index] = sold.negated();
  return lots;
}

function smaller(one: Decimal, other: Decimal): Decimal {
  return one.lessThan(other) ? one : other;
}

function larger(one: Decimal, other: Decimal): Decimal {
  return one.greaterThan(other) ? one : other;
}
