import type { ConnectionPool } from "../common/database/pool.ts";
import type { RequestCount } from "./contract/request-count.ts";

// Callers in order: two gateways that count the same ones wait for each other, and never in a circle.
const COUNT = `
  with here as (
    select to_timestamp(floor(extract(epoch from now()) / $3) * $3) as started_at, $3 * interval '1 second' as length
  ), counted as (
    insert into auth.request_counts as c (caller, window_started_at, expires_at, requests)
    select asked.caller, started_at, started_at + 2 * length, asked.requests
    from unnest($1::text[], $2::int[]) as asked (caller, requests), here
    order by asked.caller
    on conflict (caller, window_started_at) do update set requests = c.requests + excluded.requests
    returning caller, requests
  )
  select counted.caller, counted.requests as present, coalesce(earlier.requests, 0) as previous,
    extract(epoch from now() - started_at)::float8 as elapsed_seconds
  from counted cross join here
  left join auth.request_counts earlier
    on earlier.caller = counted.caller and earlier.window_started_at = started_at - length`;

const FORGET = "delete from auth.request_counts where expires_at < now()";

/**
 * Adds what a gateway has let through to what all have, per caller and window, and tells the sums.
 * @param windowSeconds windows begin at the multiples of it since 1970, by the database's clock.
 */
export async function countRequests(
  pool: ConnectionPool,
  counts: Readonly<Record<string, number>>,
  windowSeconds: number,
): Promise<Record<string, RequestCount>> {
  const rows = await pool.query<Record<keyof RequestCount | "caller", string>>({
    name: "auth.request_counts.count",
    text: COUNT,
    values: [Object.keys(counts), Object.values(counts), windowSeconds],
  });
  return Object.fromEntries(
    rows.map(({ caller, present, previous, elapsed_seconds }) => [
      caller,
      { present: Number(present), previous: Number(previous), elapsed_seconds: Number(elapsed_seconds) },
    ]),
  );
}

/** Deletes what no window needs any more. */
export async function forgetRequestCounts(pool: ConnectionPool): Promise<void> {
  await pool.query({ name: "auth.request_counts.forget", text: FORGET, values: [] });
}
