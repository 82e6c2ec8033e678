import { setTimeout as wait } from "node:timers/promises";
import type { TestDatabase } from "../support/database.ts";

/** Each table's rows, as text. */
export type Snapshot = Readonly<Record<string, string>>;

const REST_TIMEOUT_MS = 15_000;

/**
 * Everything that the services keep, so that a test can see that nothing of it changed; or only the rows in which one of
 * these texts occurs. Fetched key sets and events on their way are left out: they come and go on their own. Syncs that
 * were asked for before go on in the background, and are waited for.
 */
export async function snapshot(
  { query }: Pick<TestDatabase, "query">,
  texts: readonly string[] = [""],
): Promise<Snapshot> {
  await untilAtRest(query);
  const tables = await query<{ name: string }>(
    `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
     where table_schema in ('auth', 'users', 'portfolios', 'accounts', 'market') and table_type = 'BASE TABLE'
       and table_name not in ('key_sets', 'outbox', 'inbox', 'request_counts')
     order by 1`,
  );
  const statements = tables.map(
    ({ name }) =>
      `select '${name}' as name, string_agg(t::text, E'\\n' order by t::text) as content
       from ${name} t where t::text like any ($1)`,
  );
  const values = [texts.map((text) => `%${text}%`)];
  const contents = await query<{ name: string; content: string | null }>(
    statements.join("\nunion all\n"),
    values,
  );
  return Object.fromEntries(contents.map(({ name, content }) => [name, content ?? ""]));
}

async function untilAtRest(query: TestDatabase["query"]): Promise<void> {
  const end = performance.now() + REST_TIMEOUT_MS;
  const open = "select id, state, error from accounts.syncs where state in ('queued', 'running')";
  for (let syncs = await query(open); syncs.length > 0; syncs = await query(open)) {
    if (performance.now() > end) throw new Error(`Syncs go on and on: ${JSON.stringify(syncs)}`);
    await wait(10);
  }
}
