import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** A package that production installs. */
export interface ProductionPackage {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression, as its authors state it. */
  readonly licence: string;
}

interface LockedPackage {
  readonly name?: string;
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly peer?: boolean;
}

/** What the image's `npm ci --omit=dev --omit=peer --omit=optional` installs, by the lockfile; each version once. */
export async function productionPackages(checkout: string): Promise<ProductionPackage[]> {
  const lock = JSON.parse(await readFile(join(checkout, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, LockedPackage>>;
  };
  const found = new Map<string, ProductionPackage>();
  for (const [path, { dev, devOptional, optional, peer, ...locked }] of Object.entries(lock.packages)) {
    if (path === "" || dev || devOptional || optional || peer) continue;
    const name = locked.name ?? (path.split("node_modules/").at(-1) as string);
    const { version, license: licence = "" } = locked;
    found.set(`${name}@${version}`, { name, version, licence });
  }
  return [...found.values()].sort(byName);
}

/** By code units: the same everywhere, whatever the language of the machine. */
function byName(one: ProductionPackage, other: ProductionPackage): number {
  const [first, second] = [one, other].map(({ name, version }) => `${name}@${version}`) as [string, string];
  return first < second ? -1 : 1;
}
