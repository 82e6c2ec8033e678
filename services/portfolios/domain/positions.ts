import { amount, compareTexts, Decimal, decimal, ZERO } from "./decimals.ts";
import type { HoldingRow, Prices } from "./holdings.ts";

/** A target, with the asset that its symbol means. */
export interface Target {
  readonly asset: string;
  /** Absent where nobody knows the symbol; then it means the one asset of that symbol that is held, if it is one. */
  readonly asset_id?: string;
  readonly target_pct: number;
}

/** One asset over all chains, with its target. */
export interface Position {
  /** The asset's id, or its symbol where it has none. Unique. */
  readonly key: string;
  readonly asset: string;
  readonly asset_id: string | undefined;
  readonly quantity: Decimal;
  readonly available: Decimal;
  /** `null` where there is none, or one of 0, for which nothing can be bought or sold. */
  readonly price: Decimal | null;
  /** `null` where there is no price. */
  readonly value: Decimal | null;
  readonly price_as_of: string | null;
  /** Percent as it was set; 0 where the asset has no target. What it means is its share of the sum of all targets. */
  readonly target: Decimal;
  readonly targeted: boolean;
}

/** What is held and what is targeted, one position per asset, by asset and id. */
export function positionsOf(
  rows: readonly HoldingRow[],
  targets: readonly Target[],
  prices: Prices,
): readonly Position[] {
  const drafts = new Map<string, Draft>();
  for (const { asset, asset_id, total_quantity, total_available } of rows) {
    const draft = draftOf(drafts, asset, asset_id);
    draft.quantity = draft.quantity.plus(decimal(total_quantity));
    draft.available = draft.available.plus(decimal(total_available));
  }
  const held = [...drafts.values()];
  for (const { asset, asset_id, target_pct } of targets) {
    const sameSymbol = held.filter((draft) => draft.asset === asset);
    const only = asset_id === undefined && sameSymbol.length === 1 ? sameSymbol[0] : undefined;
    const draft = only ?? draftOf(drafts, asset, asset_id);
    draft.target = draft.target.plus(target_pct);
    draft.targeted = true;
  }
  return [...drafts.entries()]
    .map(([key, draft]) => priced(key, draft, prices))
    .sort((one, other) => compareTexts(one.asset, other.asset) || compareTexts(one.key, other.key));
}

interface Draft {
  readonly asset: string;
  readonly asset_id: string | undefined;
  quantity: Decimal;
  available: Decimal;
  target: Decimal;
  targeted: boolean;
}

function draftOf(drafts: Map<string, Draft>, asset: string, assetId: string | undefined): Draft {
  const key = assetId ?? asset;
  const known = drafts.get(key);
  if (known) return known;
  const draft = {
    asset,
    asset_id: assetId,
    quantity: ZERO,
    available: ZERO,
    target: ZERO,
    targeted: false,
  };
  drafts.set(key, draft);
  return draft;
}

function priced(key: string, draft: Draft, prices: Prices): Position {
  const price = draft.asset_id === undefined ? undefined : prices.get(draft.asset_id);
  const perUnit = price ? amount(price.price_usd, "price_usd") : null;
  return {
    key,
    ...draft,
    // More than there is cannot be sold, whatever an exchange calls available.
    available: Decimal.min(draft.available, draft.quantity),
    price: perUnit?.isZero() ? null : perUnit,
    value: perUnit ? draft.quantity.times(perUnit) : null,
    price_as_of: price?.as_of ?? null,
  };
}
