import type { ConnectionPool } from "../common/database/pool.ts";
import type { PublicJwk } from "./public-jwk.ts";

/** An issuer's last good key set, as it is kept over restarts and shared by replicas. */
export interface StoredKeys {
  readonly keys: readonly PublicJwk[];
  /** In milliseconds since 1970. */
  readonly fetchedAtMs: number;
}

export interface KeyStore {
  load(issuer: string): Promise<StoredKeys | undefined>;
  /** Of two replicas, the one that has fetched last wins. */
  save(issuer: string, stored: StoredKeys): Promise<void>;
}

const LOAD = `
  select keys, (extract(epoch from fetched_at) * 1000)::float8 as fetched_at_ms
  from auth.key_sets where issuer = $1`;

const SAVE = `
  insert into auth.key_sets as stored (issuer, keys, fetched_at)
  values ($1, $2::jsonb, to_timestamp($3::float8 / 1000))
  on conflict (issuer) do update set keys = excluded.keys, fetched_at = excluded.fetched_at
  where stored.fetched_at < excluded.fetched_at`;

/** Makes the store of key sets in auth's database. */
export function keyStore(pool: ConnectionPool): KeyStore {
  return {
    async load(issuer) {
      const [row] = await pool.query<{ keys: PublicJwk[]; fetched_at_ms: number }>({
        name: "auth.key-sets.load",
        text: LOAD,
        values: [issuer],
      });
      return row && { keys: row.keys, fetchedAtMs: row.fetched_at_ms };
    },
    async save(issuer, { keys, fetchedAtMs }) {
      const values = [issuer, JSON.stringify(keys), fetchedAtMs];
      await pool.query({ name: "auth.key-sets.save", text: SAVE, values });
    },
  };
}
