import { Decimal } from "decimal.js";

/** The longest amount has 78 digits, before or after its point; a difference of two has no more than twice as many. */
const Exact = Decimal.clone({ precision: 200 });

export interface AmountsGiven {
  readonly quantity: string;
  readonly available?: string | undefined;
  readonly frozen?: string | undefined;
}

export interface Amounts {
  readonly quantity: string;
  readonly available: string;
  readonly frozen: string;
}

/** What is wrong with amounts, and with which of them. */
export interface AmountsFault {
  readonly member: "available" | "frozen";
  readonly detail: string;
}

/**
 * The amounts of a holding: nothing is frozen unless said, and what is not frozen is available. Exact.
 * A fault when more is available and frozen than there is.
 */
export function completeAmounts({ quantity, available, frozen = "0" }: AmountsGiven): Amounts | AmountsFault {
  const movable = new Exact(quantity).minus(frozen);
  if (movable.isNegative()) return { member: "frozen", detail: "must not be above the quantity" };
  if (available === undefined) return { quantity, available: movable.toFixed(), frozen };
  if (movable.lessThan(available)) {
    return { member: "available", detail: "must not, with what is frozen, be above the quantity" };
  }
  return { quantity, available, frozen };
}
