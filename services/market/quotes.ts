import { coalesce } from "../common/database/coalesce.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import { isoTime } from "../common/database/times.ts";
import type { AssetReference, Quote } from "./contract.ts";
import { contractKey } from "./domain/contract-key.ts";
import { listedSymbol } from "./domain/listed-symbol.ts";
import { isStale } from "./domain/staleness.ts";

interface QuoteRow {
  readonly position: string;
  readonly asset_id: string;
  readonly symbol: string;
  readonly name: string;
  readonly asset_type: Quote["asset_type"];
  readonly decimals: number | null;
  readonly price_usd: string | null;
  readonly as_of: string | null;
  readonly source: string | null;
}

/**
 * What a reference is looked up by: one of id; chain and contract; exchange and symbol; chain alone for its native
 * coin; symbol alone, in capitals, for the listed asset.
 */
interface Key {
  readonly id?: string;
  readonly chain?: string;
  readonly contract?: string;
  readonly exchange?: string;
  readonly symbol?: string;
}

// Each way of knowing an asset has an index of its own. A contract's decimals are its own: USDC has 6 here, 18 there.
const FIND = `
  with asked as (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
      with ordinality as asked (id, chain, contract, exchange, symbol, position)
  ), found as (
    select position, id as asset_id, false as by_contract, null::integer as decimals
    from asked where id is not null
    union all
    select asked.position, c.asset_id, true, c.decimals
    from asked join market.asset_contracts c on c.chain = asked.chain and c.contract_key = asked.contract
    union all
    select asked.position, s.asset_id, false, null
    from asked join market.exchange_symbols s on s.exchange = asked.exchange and s.symbol = asked.symbol
    union all
    select asked.position, n.native_asset_id, false, null
    from asked join market.chains n on n.chain_id = asked.chain and asked.contract is null
    union all
    select asked.position, l.asset_id, false, null
    from asked join market.listed_symbols l on l.symbol = asked.symbol and asked.exchange is null
  )
  select found.position, a.id as asset_id, a.symbol, a.name, a.asset_type,
    case when found.by_contract then found.decimals else a.decimals end as decimals,
    trim_scale(p.price_usd)::text as price_usd, p.as_of, p.source
  from found
  join market.assets a on a.id = found.asset_id
  left join market.prices p on p.asset_id = a.id`;

/** Quotes for lists of references. Lists that are asked for at the same time become one statement, each asset in it once. */
export function quoteReads(pool: ConnectionPool, maxPriceAgeSeconds: number) {
  return coalesce<readonly AssetReference[], (Quote | null)[]>({
    maxBatchSize: 20,
    maxBatches: 2,
    read: async (lists, askedAt) => {
      const positions = new Map<string, number>();
      const distinct: Key[] = [];
      const positionOf = (reference: AssetReference): number => {
        const key = keyOf(reference);
        const text = JSON.stringify([key.id, key.chain, key.contract, key.exchange, key.symbol]);
        const known = positions.get(text);
        if (known !== undefined) return known;
        positions.set(text, distinct.length);
        return distinct.push(key) - 1;
      };
      const wanted = lists.map((list) => list.map(positionOf));
      const found = distinct.length > 0 ? await find(pool, distinct, askedAt) : [];
      const now = new Date().toISOString();
      const quotes = new Map(
        found.map((row) => [Number(row.position) - 1, quoteOf(row, now, maxPriceAgeSeconds)]),
      );
      return wanted.map((list) => list.map((position) => quotes.get(position) ?? null));
    },
  });
}

function find(pool: ConnectionPool, keys: readonly Key[], askedAt: number): Promise<QuoteRow[]> {
  const values = [
    keys.map(({ id }) => id ?? null),
    keys.map(({ chain }) => chain ?? null),
    keys.map(({ contract }) => contract ?? null),
    keys.map(({ exchange }) => exchange ?? null),
    keys.map(({ symbol }) => symbol ?? null),
  ];
  return pool.query<QuoteRow>({ name: "market.quotes", text: FIND, values }, askedAt);
}

function keyOf(reference: AssetReference): Key {
  if ("contract" in reference) {
    return { chain: reference.chain, contract: contractKey(reference.contract) };
  }
  if ("native" in reference) return { chain: reference.chain };
  if ("listed" in reference) return { symbol: listedSymbol(reference.listed) };
  return reference;
}

function quoteOf(row: QuoteRow, now: string, maxPriceAgeSeconds: number): Quote {
  const asOf = row.as_of === null ? null : isoTime(row.as_of);
  return {
    asset_id: row.asset_id,
    symbol: row.symbol,
    name: row.name,
    asset_type: row.asset_type,
    ...(row.decimals !== null && { decimals: row.decimals }),
    price_usd: row.price_usd,
    as_of: asOf,
    source: row.source,
    stale: asOf !== null && isStale(asOf, now, maxPriceAgeSeconds),
  };
}
