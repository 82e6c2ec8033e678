import assert from "node:assert/strict";
import { Decimal, HUNDRED, quotientDown, sum, ZERO } from "./decimals.ts";
import type { Tradable } from "./rebalancing-assets.ts";

/** Less than a lot of 10^-8 of what is worth 10^-30: rounding goals down hardly ever costs a lot, and never two. */
const GOAL_PLACES = 40;
/** A rebalancing into the band ends a tenth of it inside, so that lots, fees and the next small move do not undo it. */
const INTO_BAND = new Decimal("0.9");

/**
 * Shares `total` by aims, where no asset may be under its floor (what cannot or must not be sold):
 * goal = max(λ × aim, floor), with λ so that the goals add up to the total. An asset whose floor is above its share is
 * pinned to the floor, which leaves less to the others, until nothing more is pinned.
 */
export function shareOut(aims: readonly Decimal[], floors: readonly Decimal[], total: Decimal): Decimal[] {
  const pinned = aims.map((aim) => aim.isZero());
  for (let pass = 0; pass <= aims.length; pass += 1) {
    const rest = total.minus(sum(floors.filter((_, index) => pinned[index])));
    const aimed = sum(aims.filter((_, index) => !pinned[index]));
    let isSettled = true;
    for (const [index, aim] of aims.entries()) {
      const floor = floors[index] as Decimal;
      if (pinned[index] || floor.times(aimed).lessThanOrEqualTo(rest.times(aim))) continue;
      pinned[index] = true;
      isSettled = false;
    }
    if (!isSettled) continue;
    return aims.map((aim, index) =>
      pinned[index] ? (floors[index] as Decimal) : quotientDown(rest.times(aim), aimed, GOAL_PLACES),
    );
  }
  return assert.fail("each pass pins an asset or is the last one");
}

/**
 * Goals inside the band that move as little as can be: each value is taken to the nearest point of its band; what that
 * leaves over or lacks is taken up by the assets that are under or over their share, in proportion to how far.
 */
export function intoBand(
  assets: readonly Tradable[],
  shares: readonly Decimal[],
  total: Decimal,
  band: Decimal,
): Decimal[] {
  const aims = sum(assets.map(({ aim }) => aim));
  const width = band.times(INTO_BAND).times(total).div(HUNDRED);
  const nearest = assets.map(({ aim, value }, index) => {
    const share = shares[index] as Decimal;
    const center = quotientDown(aim.times(total), aims, GOAL_PLACES);
    const lowest = Decimal.min(share, center.minus(width));
    const highest = Decimal.max(share, center.plus(width));
    return Decimal.min(Decimal.max(value, lowest), highest);
  });
  const left = total.minus(sum(nearest));
  const rooms = nearest.map((value, index) => {
    const room = (shares[index] as Decimal).minus(value);
    return room.isNegative() === left.isNegative() ? room.abs() : ZERO;
  });
  const room = sum(rooms);
  if (room.isZero()) return nearest;
  const used = Decimal.min(left.abs(), room);
  return nearest.map((value, index) => {
    const move = quotientDown((rooms[index] as Decimal).times(used), room, GOAL_PLACES);
    return left.isNegative() ? value.minus(move) : value.plus(move);
  });
}
