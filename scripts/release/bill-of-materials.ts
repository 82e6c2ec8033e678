// `node scripts/release/bill-of-materials.ts`: what production consists of, as CycloneDX (an SBOM).
import { execFile } from "node:child_process";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { productionPackages } from "./production-packages.ts";

const run = promisify(execFile);
const timeoutMs = 60_000;

/** CycloneDX 1.5, as far as it is looked into here. */
export interface BillOfMaterials {
  readonly bomFormat: "CycloneDX";
  readonly metadata: { readonly component: { readonly name: string } };
  readonly components: readonly {
    readonly "bom-ref": string;
    readonly name: string;
    readonly version: string;
  }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/**
 * npm's own bill of materials of the lockfile, without what production does not install: npm's `--omit` also leaves out
 * packages that development needs beside production. It has no time and no random number, so a lockfile has one only.
 */
export async function billOfMaterials(checkout: string): Promise<BillOfMaterials> {
  const words = ["sbom", "--sbom-format=cyclonedx", "--sbom-type=application", "--package-lock-only"];
  const { stdout } = await run("npm", words, {
    cwd: checkout,
    timeout: timeoutMs,
    maxBuffer: 64 * 1024 * 1024,
  });
  const { serialNumber: _, ...bill } = JSON.parse(stdout);
  const { timestamp: __, ...metadata } = bill.metadata;
  const { "bom-ref": root } = metadata.component;
  const kept = new Set((await productionPackages(checkout)).map(({ name, version }) => `${name}@${version}`));
  const isKept = (reference: string) => reference === root || kept.has(reference);
  return {
    ...bill,
    // npm names it after the folder.
    metadata: { ...metadata, component: { ...metadata.component, name: root.replace(/@[^@]+$/, "") } },
    components: bill.components.filter((component: { "bom-ref": string }) => isKept(component["bom-ref"])),
    dependencies: bill.dependencies
      .filter(({ ref }: { ref: string }) => isKept(ref))
      .map(({ ref, dependsOn }: { ref: string; dependsOn: string[] }) => ({
        ref,
        dependsOn: dependsOn.filter(isKept),
      })),
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  console.log(JSON.stringify(await billOfMaterials(process.cwd()), undefined, 2));
}
