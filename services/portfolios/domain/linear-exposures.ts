import { compareTexts, type Decimal, decimal, plain } from "./decimals.ts";
import { Inexact } from "./returns.ts";

/** Σ coefficient × value = sum: how much of a class the assets, each with its part in that class, are to make up. */
export interface Exposure {
  readonly coefficients: Readonly<Record<string, string>>;
  readonly sum: string;
}

/** Half to even. */
const VALUE_PLACES = 8;
/** Smaller than this, where the largest sum and the largest coefficients are around 1, is a rounding of zero. */
const SINGULAR = new Inexact("1e-40");

/**
 * The values that make up given exposures, for assets that belong to several classes in part; `null` with a reason where
 * no values or more than one set of values do. By Gaussian elimination with partial pivoting.
 * Source: Portfolio Performance, Rebalancer.
 */
export function valuesForExposures(
  exposures: readonly Exposure[],
):
  | { readonly values: Readonly<Record<string, string>>; readonly reason: null }
  | { readonly values: null; readonly reason: "ambiguous" | "contradictory" } {
  const assets = [...new Set(exposures.flatMap(({ coefficients }) => Object.keys(coefficients)))].sort(
    compareTexts,
  );
  const scale = exposures.reduce(
    (largest, { sum }) => Inexact.max(largest, decimal(sum).abs()),
    new Inexact(0),
  );
  const unit = scale.isZero() ? new Inexact(1) : scale;
  const rows = exposures.map(({ coefficients, sum }) => [
    ...assets.map((asset) => new Inexact(decimal(coefficients[asset] ?? "0"))),
    new Inexact(decimal(sum)).div(unit),
  ]);
  let rank = 0;
  for (let column = 0; column < assets.length; column += 1) if (eliminate(rows, rank, column)) rank += 1;
  if (rows.slice(rank).some((row) => at(row, assets.length).abs().greaterThan(SINGULAR)))
    return { values: null, reason: "contradictory" };
  if (rank < assets.length) return { values: null, reason: "ambiguous" };
  const values = assets.map((asset, index) => {
    const share = at(rows[index] ?? [], assets.length);
    const value = share.times(unit).toDecimalPlaces(VALUE_PLACES, Inexact.ROUND_HALF_EVEN);
    return [asset, plain(value)] as const;
  });
  return { values: Object.fromEntries(values), reason: null };
}

/** Makes the column 1 in the row `rank` and 0 in all others; whether there was anything to do that with. */
function eliminate(rows: Decimal[][], rank: number, column: number): boolean {
  let pivot = rank;
  for (let index = rank + 1; index < rows.length; index += 1)
    if (
      at(rows[index] ?? [], column)
        .abs()
        .greaterThan(at(rows[pivot] ?? [], column).abs())
    )
      pivot = index;
  const chosen = rows[pivot];
  const replaced = rows[rank];
  if (!chosen || !replaced || at(chosen, column).abs().lessThan(SINGULAR)) return false;
  rows[pivot] = replaced;
  const divisor = at(chosen, column);
  const unit = chosen.map((value) => value.div(divisor));
  for (const [index, row] of rows.entries())
    rows[index] = row.map((value, place) => value.minus(at(row, column).times(at(unit, place))));
  rows[rank] = unit;
  return true;
}

function at(row: readonly Decimal[], column: number): Decimal {
  return row[column] ?? new Inexact(0);
}
