import { amount, compareTexts, Decimal, decimal, plain, sum, ZERO } from "./decimals.ts";
import { ExactSum } from "./exact-sum.ts";
import { percentages } from "./percentages.ts";

/** What one account holds. `asset_id` is absent where the asset is not known; then it has no price either. */
export interface Holding {
  readonly asset: string;
  readonly asset_id?: string;
  readonly chain?: string;
  readonly quantity: string;
  /** Unless given: the quantity without what is frozen. */
  readonly available?: string;
  /** Unless given: `"0"`. */
  readonly frozen?: string;
  readonly decimals?: number;
}

export interface AccountHoldings {
  readonly account_id: string;
  readonly account_name: string;
  readonly holdings: readonly Holding[];
}

export interface Price {
  readonly price_usd: string;
  /** RFC 3339, UTC, milliseconds. */
  readonly as_of: string;
  readonly source: string;
  readonly stale: boolean;
}

/** Prices by asset id: two coins with one symbol never mix. */
export type Prices = ReadonlyMap<string, Price>;

export interface AccountShare {
  readonly account_id: string;
  readonly account_name: string;
  readonly quantity: string;
  readonly available: string;
  readonly frozen: string;
  readonly decimals?: number;
  readonly normalized_quantity: string;
}

export interface HoldingRow {
  readonly asset: string;
  readonly asset_id?: string;
  readonly chain?: string;
  readonly total_quantity: string;
  readonly total_available: string;
  readonly total_frozen: string;
  readonly decimals?: number;
  readonly normalized_quantity: string;
  readonly price_usd: string | null;
  readonly value_usd: string | null;
  readonly unpriced: boolean;
  readonly price_as_of?: string;
  readonly price_source?: string;
  readonly price_stale?: boolean;
  readonly accounts: readonly AccountShare[];
}

export interface AllocationRow {
  readonly asset: string;
  readonly chain?: string;
  readonly value_usd: string;
  readonly percentage: string;
}

export interface Holdings {
  readonly total_value_usd: string;
  /** Something that is held has no price, so that the total is less than the truth. */
  readonly incomplete: boolean;
  readonly holdings: readonly HoldingRow[];
  readonly allocation: readonly AllocationRow[];
}

/**
 * All accounts' holdings as one row per asset and chain, valued, highest value first, equals by asset and chain, what has
 * no price last. Quantities, values (quantity × price) and the total are exact; the percentages add up to 100.
 */
export function aggregateHoldings(accounts: readonly AccountHoldings[], prices: Prices): Holdings {
  const groups: Groups = new Map();
  for (const account of accounts)
    for (const holding of account.holdings) addTo(groupOf(groups, holding), account, holding);
  const valued = [...groups.values()]
    .flatMap(({ byId, bySymbol }) => [...byId.values(), ...bySymbol.values()])
    .map((group) => valuedRow(group, group.asset_id === undefined ? undefined : prices.get(group.asset_id)))
    .sort(byValue);
  const values = valued.map(({ value }) => value ?? ZERO);
  const shares = percentages(values);
  return {
    total_value_usd: plain(sum(values)),
    incomplete: valued.some(({ value, row }) => value === null && row.total_quantity !== "0"),
    holdings: valued.map(({ row }) => row),
    allocation: valued.map(({ row: { asset, chain, value_usd } }, index) => ({
      asset,
      ...(chain === undefined ? {} : { chain }),
      value_usd: value_usd ?? "0",
      percentage: plain(shares[index] as Decimal),
    })),
  };
}

interface Group {
  asset: string;
  readonly asset_id: string | undefined;
  readonly chain: string | undefined;
  /** `null` once two accounts disagree. */
  decimals: number | null | undefined;
  /** What is available to the last digit, as most is: added up once. */
  readonly free: ExactSum;
  /** The others. */
  readonly quantity: ExactSum;
  readonly available: ExactSum;
  readonly frozen: ExactSum;
  readonly accounts: AccountShare[];
}

/** By chain first: a hundred thousand keys of two texts cost more to put together than to look up one by one. */
type Groups = Map<
  string | undefined,
  { readonly byId: Map<string, Group>; readonly bySymbol: Map<string, Group> }
>;

interface ValuedRow {
  readonly row: HoldingRow;
  readonly value: Decimal | null;
}

function groupOf(groups: Groups, holding: Holding): Group {
  let ofChain = groups.get(holding.chain);
  if (!ofChain) {
    ofChain = { byId: new Map(), bySymbol: new Map() };
    groups.set(holding.chain, ofChain);
  }
  const same = holding.asset_id === undefined ? ofChain.bySymbol : ofChain.byId;
  const key = holding.asset_id ?? holding.asset;
  let group = same.get(key);
  if (!group) {
    group = newGroup(holding);
    same.set(key, group);
  }
  return group;
}

function newGroup({ asset, asset_id, chain, decimals }: Holding): Group {
  return {
    asset,
    asset_id,
    chain,
    decimals,
    free: new ExactSum(),
    quantity: new ExactSum(),
    available: new ExactSum(),
    frozen: new ExactSum(),
    accounts: [],
  };
}

function addTo(group: Group, { account_id, account_name }: AccountHoldings, holding: Holding): void {
  const quantity = withoutTrailingZeros(holding.quantity);
  const frozen = holding.frozen === undefined ? "0" : withoutTrailingZeros(holding.frozen);
  const available =
    holding.available === undefined
      ? availableBeside(quantity, frozen)
      : withoutTrailingZeros(holding.available);
  if (available === quantity) group.free.add(quantity);
  else {
    group.quantity.add(quantity);
    group.available.add(available);
  }
  if (frozen !== "0") group.frozen.add(frozen);
  // Of several spellings of one asset, whichever account comes first must not decide.
  if (holding.asset < group.asset) group.asset = holding.asset;
  if (holding.decimals !== group.decimals) group.decimals = null;
  group.accounts.push({
    account_id,
    account_name,
    quantity,
    available,
    frozen,
    ...(holding.decimals === undefined ? {} : { decimals: holding.decimals }),
    normalized_quantity: quantity,
  });
}

/** What is not frozen; nothing where more is frozen than there is, since what is not there cannot be sold. */
function availableBeside(quantity: string, frozen: string): string {
  if (frozen === "0") return quantity;
  return plain(Decimal.max(0, decimal(quantity).minus(amount(frozen, "frozen"))));
}

function withoutTrailingZeros(text: string): string {
  return text.endsWith("0") && text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function valuedRow(group: Group, price: Price | undefined): ValuedRow {
  const free = group.free.total();
  const quantity = group.quantity.total().plus(free);
  const value = price ? quantity.times(amount(price.price_usd, "price_usd")) : null;
  const total = plain(quantity);
  const row = {
    asset: group.asset,
    ...(group.asset_id === undefined ? {} : { asset_id: group.asset_id }),
    ...(group.chain === undefined ? {} : { chain: group.chain }),
    total_quantity: total,
    total_available: plain(group.available.total().plus(free)),
    total_frozen: plain(group.frozen.total()),
    ...(typeof group.decimals === "number" ? { decimals: group.decimals } : {}),
    normalized_quantity: total,
    price_usd: price ? withoutTrailingZeros(price.price_usd) : null,
    value_usd: value ? plain(value) : null,
    unpriced: !price,
    ...(price ? { price_as_of: price.as_of, price_source: price.source, price_stale: price.stale } : {}),
    accounts: group.accounts,
  };
  return { row, value };
}

/** Highest value first, what has no value last; then by asset, chain and id. */
function byValue(one: ValuedRow, other: ValuedRow): number {
  if (one.value && other.value) {
    const difference = other.value.comparedTo(one.value);
    if (difference !== 0) return difference;
  } else if (one.value || other.value) return one.value ? -1 : 1;
  return (
    compareTexts(one.row.asset, other.row.asset) ||
    compareTexts(one.row.chain ?? "", other.row.chain ?? "") ||
    compareTexts(one.row.asset_id ?? "", other.row.asset_id ?? "")
  );
}
