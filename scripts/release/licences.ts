// `node scripts/release/licences.ts`: the licences of what production installs, as a table; exit 1 when one is not allowed.
import { pathToFileURL } from "node:url";
import { type ProductionPackage, productionPackages } from "./production-packages.ts";

/** They allow use in a service, changed or not, and ask at most for their text to be kept. */
const ALLOWED_LICENCES: ReadonlySet<string> = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "MIT",
  "Python-2.0",
  "Unlicense",
]);

/** Packages whose licence somebody has to look at before they can be used. */
export function notAllowed(packages: readonly ProductionPackage[]): ProductionPackage[] {
  return packages.filter(({ licence }) => !ALLOWED_LICENCES.has(licence));
}

/** A table in Markdown. */
export function licenceTable(packages: readonly ProductionPackage[]): string {
  const rows = packages.map(({ name, version, licence }) => `| ${name} | ${version} | ${licence} |`);
  return ["| package | version | licence |", "|---|---|---|", ...rows, ""].join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const packages = await productionPackages(process.cwd());
  process.stdout.write(licenceTable(packages));
  const refused = notAllowed(packages);
  if (refused.length > 0) {
    console.error(`Not in ALLOWED_LICENCES (scripts/release/licences.ts):\n${licenceTable(refused)}`);
    process.exitCode = 1;
  }
}
