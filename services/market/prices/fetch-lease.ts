import { randomUUID } from "node:crypto";
import type { ConnectionPool } from "../../common/database/pool.ts";
import type { Query } from "../../common/database/transaction.ts";

/** What became of an attempt to be the one that fetches. */
export type Lease<Report> =
  | { readonly token: string }
  /** Another fetches. `now` is the database's time. */
  | { readonly now: string }
  /** Another has fetched since. */
  | { readonly report: Report };

/** What only one replica fetches at a time. */
export interface FetchLease<Report extends object> {
  /**
   * Tries to be the one that fetches, over all replicas, by the database's clock.
   * @param since a fetch that ended at or after this moment will do.
   */
  readonly take: (since: string | undefined) => Promise<Lease<Report>>;
  /** Makes sure, for the rest of the transaction, that the lease is still ours. @throws when another has taken it. */
  readonly hold: (query: Query, token: string) => Promise<void>;
  /** Ends the lease with what the fetch has brought. */
  readonly finish: (query: Query, token: string, report: Report) => Promise<void>;
  /** Ends the lease of a fetch that has brought nothing. */
  readonly release: (token: string) => Promise<void>;
  /** Whether it was ever fetched. */
  readonly isFinished: () => Promise<boolean>;
}

/** Longer than a fetch may take; whoever held it and is gone keeps nobody off for longer. */
const LEASE_SECONDS = 150;

// Free, and nobody has fetched since: else the row stays as it is.
const TAKE = `
  with taken as (
    insert into market.fetches as f (name, token, leased_until)
    values ($1, $2, now() + make_interval(secs => ${LEASE_SECONDS}))
    on conflict (name) do update set token = excluded.token, leased_until = excluded.leased_until
    where (f.leased_until is null or f.leased_until <= now())
      and ($3::timestamptz is null or f.finished_at is null or f.finished_at < $3)
    returning token
  )
  select now()::text as now, exists (select from taken) as is_taken, (
    select report from market.fetches where name = $1 and finished_at >= $3
  ) as report`;

const FINISH = `
  update market.fetches set leased_until = null, finished_at = clock_timestamp(), report = $3
  where name = $1 and token = $2 and leased_until is not null
  returning name`;

const HOLD =
  "select name from market.fetches where name = $1 and token = $2 and leased_until is not null for update";

const ANY = "select name from market.fetches where name = $1 and finished_at is not null";

const RELEASE = "update market.fetches set leased_until = null where name = $1 and token = $2";

/** @param name of what is fetched. */
export function fetchLease<Report extends object>(pool: ConnectionPool, name: string): FetchLease<Report> {
  return {
    async take(since) {
      const token = randomUUID();
      const [row] = await pool.query<{ now: string; is_taken: boolean; report: Report | null }>({
        name: "market.fetches.take",
        text: TAKE,
        values: [name, token, since],
      });
      if (!row) throw new Error("The database did not say whether this may be fetched.");
      if (row.is_taken) return { token };
      return row.report ? { report: row.report } : { now: row.now };
    },
    async hold(query, token) {
      const held = await query({ name: "market.fetches.hold", text: HOLD, values: [name, token] });
      if (held.length === 0) {
        throw new Error("Fetching took so long that another replica took it over; nothing was stored.");
      }
    },
    async finish(query, token, report) {
      await query({ name: "market.fetches.finish", text: FINISH, values: [name, token, report] });
    },
    async release(token) {
      await pool.query({ name: "market.fetches.release", text: RELEASE, values: [name, token] });
    },
    async isFinished() {
      return (await pool.query({ name: "market.fetches.any", text: ANY, values: [name] })).length > 0;
    },
  };
}
