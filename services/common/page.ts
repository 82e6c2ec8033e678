import { MAX_PAGE_SIZE } from "./values.ts";

/** NATS takes messages up to 1 MB; a page stays well below it, whatever its rows hold, unless one row alone is larger. */
export const MAX_PAGE_BYTES = 600_000;
/** The largest row, a portfolio with all its targets and a long description, has less than 20 kB. */
const ROWS_THAT_ALWAYS_FIT = 30;

export interface PageOptions<Row extends object, Item> {
  /** As the caller asked; as many as a page may hold, unless given. */
  readonly limit: number | undefined;
  /** Reads so many rows from where the page begins. */
  readonly read: (rows: number) => Promise<readonly Row[]>;
  readonly cursorAfter: (row: Row) => string;
  /** The wire's form of a row. */
  readonly item: (row: Row) => Item;
  /** So many rows need not be weighed; 30 unless given. */
  readonly rowsThatAlwaysFit?: number;
}

/** A page of a list: so many rows, but no more than a message holds, with the cursor of the next page if there is one. */
export async function pageWithin<Row extends object, Item>({
  limit: size = MAX_PAGE_SIZE,
  read,
  cursorAfter,
  item,
  rowsThatAlwaysFit,
}: PageOptions<Row, Item>): Promise<{ items: Item[]; next_cursor?: string }> {
  // One row more than asked for tells whether there is a next page.
  const rows = await read(size + 1);
  const taken = rows.slice(0, Math.min(size, rowsThatFit(rows, rowsThatAlwaysFit)));
  const last = taken.at(-1);
  const items = taken.map(item);
  return rows.length > taken.length && last ? { items, next_cursor: cursorAfter(last) } : { items };
}

/**
 * The cursor of the next page, if there is one, where the statement itself has cut the page.
 * @param rows `left_over` is how many rows there were from this page on.
 */
export function nextCursor<Row extends { readonly left_over: string | null }>(
  rows: readonly Row[],
  cursorAfter: (row: Row) => string,
): { next_cursor?: string } {
  const last = rows.at(-1);
  return last && Number(last.left_over) > rows.length ? { next_cursor: cursorAfter(last) } : {};
}

/** How many of the rows fit into a message; at least one. */
export function rowsThatFit(rows: readonly object[], alwaysFit = ROWS_THAT_ALWAYS_FIT): number {
  // Most pages are small, and a hot path should not weigh them twice.
  if (rows.length <= alwaysFit) return rows.length;
  let bytes = 0;
  const tooMany = rows.findIndex((row) => {
    bytes += Buffer.byteLength(JSON.stringify(row));
    return bytes > MAX_PAGE_BYTES;
  });
  return tooMany === -1 ? rows.length : Math.max(1, tooMany);
}
