import { readFile } from "node:fs/promises";
import { faultsOf } from "../../chaos/options.ts";
import { prometheusRule } from "./prometheus-rule.ts";
import { promiseTable } from "./promise-table.ts";
import { settingsTable } from "./settings-table.ts";

/** A file that is made from others, wholly or in part. */
export interface DerivedText {
  /** From the project's root. */
  readonly file: string;
  /** What it should be, given what it is. */
  make(present: string, root: URL): string | Promise<string>;
}

export const derivedTexts: readonly DerivedText[] = [
  { file: "README.md", make: (readme) => withTable(readme, settingsTable()) },
  { file: "docs/reliability.md", make: (page) => withTable(page, promiseTable(faultsOf({}))) },
  {
    file: "k8s/components/monitoring/prometheus-rule.yaml",
    make: async (_, root) => {
      return prometheusRule(await readFile(new URL("deploy/prometheus/butler.rules.yml", root), "utf8"));
    },
  },
];

/** Puts a table where one with the same head is. */
export function withTable(page: string, table: string): string {
  const head = table.split("\n", 1)[0] as string;
  const from = page.indexOf(`${head}\n`);
  if (from === -1) throw new Error(`There is no table with this head: ${head}`);
  const end = page.indexOf("\n\n", from);
  return page.slice(0, from) + table + (end === -1 ? "\n" : page.slice(end));
}
