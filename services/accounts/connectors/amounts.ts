import { Decimal } from "decimal.js";
import { ConnectorError, type ReadHolding } from "./connector.ts";

/** The longest amount has 78 digits; sums of a few of them have hardly more. */
const Exact = Decimal.clone({ precision: 200 });

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/;
const MAX_LENGTH = 120;
/** Beyond it, plain digits would fill pages. */
const MAX_EXPONENT = 100;

/** An amount as a provider writes it, exactly; undefined when it is none. */
export function amountOf(text: string): Decimal | undefined {
  if (text.length > MAX_LENGTH || !NUMBER.test(text)) return undefined;
  const amount = new Exact(text);
  return Math.abs(amount.e) <= MAX_EXPONENT ? amount : undefined;
}

/** So many of an asset's smallest units, as the asset itself, in plain digits. */
export function unitsOf(units: bigint, decimals: number): string {
  const digits = units.toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const part = digits.slice(digits.length - decimals).replace(/0+$/, "");
  return part === "" ? whole : `${whole}.${part}`;
}

/** What an exchange says of one currency in one of its accounts. */
export interface Balance {
  readonly code: string;
  readonly total: Decimal;
  /** Undefined: all that is not frozen. */
  readonly available: Decimal | undefined;
  /** Undefined: all that is not available. */
  readonly frozen: Decimal | undefined;
}

/**
 * Balances as holdings: those of one currency add up, those of nothing are left out. What an exchange calls available or
 * frozen may, with margin, go beyond what there is; no holding does.
 * @throws ConnectorError when something is owed: leaving that out would show more than there is.
 */
export function holdingsOf(provider: string, balances: readonly Balance[]): readonly ReadHolding[] {
  const sums = new Map<string, Record<"total" | "available" | "frozen", Decimal>>();
  for (const { code, total, ...given } of balances) {
    const zero = new Exact(0);
    const ceiling = Exact.max(total, 0);
    const within = (amount: Decimal) => amount.clamp(0, ceiling);
    const frozen = within(given.frozen ?? (given.available ? total.minus(given.available) : zero));
    const available = Exact.min(within(given.available ?? ceiling), ceiling.minus(frozen));
    const sum = sums.get(code) ?? { total: zero, available: zero, frozen: zero };
    sums.set(code, {
      total: sum.total.plus(total),
      available: sum.available.plus(available),
      frozen: sum.frozen.plus(frozen),
    });
  }
  const held = [...sums].filter(([, { total }]) => !total.isZero());
  const owed = held.find(([, { total }]) => total.isNegative());
  if (owed) {
    const message = `${provider} says that ${owed[0]} is owed there; accounts with debts cannot be shown.`;
    throw new ConnectorError("unexpected_answer", message);
  }
  return held.map(([code, { total, available, frozen }]) => ({
    asset: code,
    symbol: code,
    quantity: total.toFixed(),
    // A debt in one account may be set off against what is in another.
    available: Exact.min(available, total.minus(Exact.min(frozen, total))).toFixed(),
    frozen: Exact.min(frozen, total).toFixed(),
  }));
}
