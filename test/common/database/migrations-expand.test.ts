import { describe, expect, it } from "@jest/globals";
import type { Migration } from "@mikro-orm/migrations";
import type { MigrationList } from "../../../services/common/database/migrate.ts";
import { migrationsOf } from "../../../services/migrations.ts";

/**
 * What takes something away that a version before may use, or refuses what it writes. A version that serves while the next
 * one migrates must go on; so this waits for a release in which nobody needs it any more, and is then allowed by name.
 */
const CONTRACTING: readonly RegExp[] = [
  /\bdrop\s+(table|schema|column|type|view|function|trigger|default|constraint)\b/i,
  /\brename\b/i,
  /\balter\s+column\s+\S+\s+(set\s+data\s+)?type\b/i,
  /\bset\s+not\s+null\b/i,
  /\badd\s+(column\s+)?(if\s+not\s+exists\s+)?(?!constraint\b|check\b|unique\b|primary\b|foreign\b)\w+\s+(?![^,;]*\bdefault\b)(?![^,;]*\bgenerated\b)[^,;]*\bnot\s+null\b/i,
  /\b(truncate|delete\s+from)\b/i,
];

/** Allowed, each with its reason. */
const ALLOWED: Readonly<Record<string, string>> = {
  "alter table market.assets drop constraint assets_symbol_name_key":
    "a rule less: what an older version writes was allowed by it, too",
};

type Constructor = new (driver: undefined, config: { get(option: string): string }) => Migration;

/** The statements of a service's migration. */
async function statementsOf(service: string, { class: type }: MigrationList[number]): Promise<string[]> {
  const migration = new (type as unknown as Constructor)(undefined, { get: () => service });
  await migration.up();
  return migration.getQueries().map((query) => String(query).replace(/\s+/g, " ").trim());
}

function contracting(statements: readonly string[]): string[] {
  return statements.filter(
    (statement) => !(statement in ALLOWED) && CONTRACTING.some((pattern) => pattern.test(statement)),
  );
}

describe("the migrations", () => {
  it.each(Object.entries(migrationsOf))(
    "of %s only expand what a version before uses",
    async (service, list) => {
      // The first one has no version before it.
      const later = await Promise.all(list.slice(1).map((step) => statementsOf(service, step)));
      expect(contracting(later.flat())).toEqual([]);
    },
  );

  it("are read: there are some, and what is allowed is among them", async () => {
    const all = Object.entries(migrationsOf).flatMap(([service, list]) =>
      list.map((step) => statementsOf(service, step)),
    );
    const statements = (await Promise.all(all)).flat();
    expect(statements.length).toBeGreaterThan(20);
    for (const allowed of Object.keys(ALLOWED)) expect(statements).toContain(allowed);
  });

  it.each([
    "alter table a.b drop column c",
    "drop table a.b",
    "alter table a.b rename column c to d",
    "alter table a.b alter column c type bigint",
    "alter table a.b alter column c set not null",
    "alter table a.b add column c integer not null",
    "alter table a.b add c integer not null check (c > 0)",
    "truncate a.b",
  ])("would be refused with %s", (statement) => {
    expect(contracting([statement])).toEqual([statement]);
  });

  it.each([
    "create table a.b (c integer not null)",
    "alter table a.b add column c integer not null default 0",
    "alter table a.b add column c integer",
    "create index d on a.b (c)",
  ])("may have %s", (statement) => {
    expect(contracting([statement])).toEqual([]);
  });
});
