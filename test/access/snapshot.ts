import type { TestDatabase } from "../support/database.ts";

/** Each table's rows, as text. */
export type Snapshot = Readonly<Record<string, string>>;

/**
 * Everything that the services keep, so that a test can see that nothing of it changed; or only the rows in which one of
 * these texts occurs. Fetched key sets and events on
 * their way are left out: they come and go on their own.
 */
export async function snapshot(
  { query }: Pick<TestDatabase, "query">,
  texts: readonly string[] = [""],
): Promise<Snapshot> {
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
