import { randomUUIDv7 } from "node:crypto";
import { isoTime } from "../../common/database/times.ts";
import type { Query } from "../../common/database/transaction.ts";
import { listedSymbol } from "../domain/listed-symbol.ts";
import type { ProviderCoin, ProviderName } from "./provider.ts";

export interface Stored {
  readonly created: number;
  /** Known assets that got a newer price. */
  readonly updated: number;
  /** All newer prices. */
  readonly prices: number;
  /** The time of the newest of them, RFC 3339. */
  readonly newest?: string;
}

interface StoredRow {
  readonly created: number;
  readonly updated: number;
  readonly prices: number;
  readonly newest: string | null;
}

/** Coins per statement. */
const BATCH_SIZE = 500;
/** What can be a symbol in our contract. */
const SYMBOL = /^[^\s\p{C}]{1,30}$/u;

// An asset is found by the provider's id alone. CoinPaprika tells of all coins: those of them that have a rank become
// assets, and the best ranked of a symbol that is not listed yet is listed; coins come best ranked first.
const CREATE = `
  , created as (
    insert into market.assets (id, symbol, name, coinpaprika_id, named_by)
    select new_id, symbol, name, coin_id, 'coinpaprika' from told
    where is_ranked and not exists (select from market.assets a where a.coinpaprika_id = told.coin_id)
    on conflict (coinpaprika_id) do nothing
    returning id, coinpaprika_id
  ), renamed as (
    update market.assets a set symbol = told.symbol, name = told.name, version = version + 1, updated_at = now()
    from told
    where a.coinpaprika_id = told.coin_id and a.named_by = 'coinpaprika' and told.is_ranked
      and (a.symbol, a.name) is distinct from (told.symbol, told.name)
  ), ours as (
    select created.id as asset_id, true as is_new, told.*
    from told join created on created.coinpaprika_id = told.coin_id
    union all
    select a.id, false, told.* from told join market.assets a on a.coinpaprika_id = told.coin_id
  ), listed as (
    insert into market.listed_symbols (symbol, asset_id)
    select listed_symbol, asset_id from ours where is_ranked order by position
    on conflict do nothing
  )`;
const FIND = `
  , ours as (
    select a.id as asset_id, false as is_new, told.* from told join market.assets a on a.coingecko_id = told.coin_id
  )`;

// A price is never replaced by an older one, but a sample always. Providers' clocks may be ahead of ours.
const store = (source: ProviderName) => `
  with told as (
    select coin_id, new_id, symbol, listed_symbol, name, is_ranked, rank, price_usd,
      least(coalesce(as_of, now()), now()) as as_of, market_cap_usd, volume_24h_usd, percent_change_24h, position
    from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::integer[],
      $8::numeric[], $9::timestamptz[], $10::numeric[], $11::numeric[], $12::numeric[])
      with ordinality as told (coin_id, new_id, symbol, listed_symbol, name, is_ranked, rank, price_usd, as_of,
        market_cap_usd, volume_24h_usd, percent_change_24h, position)
  ) ${source === "coinpaprika" ? CREATE : FIND}
  , stored as (
    insert into market.prices as p (asset_id, price_usd, source, as_of, rank, market_cap_usd, volume_24h_usd,
      percent_change_24h)
    select asset_id, price_usd, '${source}', as_of, rank, market_cap_usd, volume_24h_usd, percent_change_24h from ours
    on conflict (asset_id) do update set price_usd = excluded.price_usd, source = excluded.source,
      as_of = excluded.as_of, rank = excluded.rank, market_cap_usd = excluded.market_cap_usd,
      volume_24h_usd = excluded.volume_24h_usd, percent_change_24h = excluded.percent_change_24h
    where p.as_of < excluded.as_of or p.source = 'sample'
    returning asset_id, price_usd, as_of
  ), history as (
    insert into market.price_history (asset_id, as_of, source, price_usd)
    select asset_id, as_of, '${source}', price_usd from stored
    on conflict do nothing
  ), daily as (
    insert into market.daily_prices as d (asset_id, day, price_usd, source, as_of)
    select asset_id, (as_of at time zone 'UTC')::date, price_usd, '${source}', as_of from stored
    on conflict (asset_id, day) do update set price_usd = excluded.price_usd, source = excluded.source,
      as_of = excluded.as_of
    where d.as_of < excluded.as_of
  )
  select count(*) filter (where is_new)::integer as created, count(stored.asset_id)::integer as prices,
    count(stored.asset_id) filter (where not is_new)::integer as updated, max(stored.as_of) as newest
  from ours left join stored using (asset_id)`;

const statements = { coinpaprika: store("coinpaprika"), coingecko: store("coingecko") } as const;

/** Stores what a provider told, one statement per 500 coins, in the caller's transaction. */
export async function storePrices(
  query: Query,
  source: ProviderName,
  coins: readonly ProviderCoin[],
): Promise<Stored> {
  const bestFirst = coins.toSorted((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || 0);
  const sum = { created: 0, updated: 0, prices: 0 };
  const newest: string[] = [];
  for (let start = 0; start < bestFirst.length; start += BATCH_SIZE) {
    const batch = bestFirst.slice(start, start + BATCH_SIZE);
    const statement = {
      name: `market.prices.store.${source}`,
      text: statements[source],
      values: columnsOf(batch),
    };
    const [stored] = await query<StoredRow>(statement);
    if (!stored) throw new Error("The database did not say what it has stored.");
    sum.created += stored.created;
    sum.updated += stored.updated;
    sum.prices += stored.prices;
    if (stored.newest !== null) newest.push(isoTime(stored.newest));
  }
  // Texts of one form and zone are in the order of time.
  const last = newest.sort().at(-1);
  return { ...sum, ...(last && { newest: last }) };
}

function columnsOf(coins: readonly ProviderCoin[]): unknown[][] {
  // What is no symbol of ours may be nothing that can be stored either; such a coin only becomes no asset.
  const symbols = coins.map(({ symbol }) => (SYMBOL.test(symbol) ? symbol : ""));
  return [
    coins.map(({ id }) => id),
    coins.map(() => randomUUIDv7()),
    symbols,
    symbols.map(listedSymbol),
    coins.map(({ name }) => name),
    coins.map(({ rank, name }, index) => rank !== null && symbols[index] !== "" && name !== ""),
    coins.map(({ rank }) => rank),
    coins.map(({ price_usd }) => price_usd),
    coins.map(({ as_of }) => as_of),
    coins.map(({ market_cap_usd }) => market_cap_usd),
    coins.map(({ volume_24h_usd }) => volume_24h_usd),
    coins.map(({ percent_change_24h }) => percent_change_24h),
  ];
}
