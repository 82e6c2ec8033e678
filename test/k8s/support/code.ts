import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Variable, Variables } from "../../../services/common/config.ts";
import type { ServiceModule } from "../../../services/common/service.ts";

// What the code says of itself, so that the manifests are compared with it and not with a list.

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** The services: each folder with a service of its name. */
export const serviceNames: readonly string[] = readdirSync(join(ROOT, "services")).filter((name) =>
  existsSync(join(ROOT, moduleOf(name))),
);

/** The file that makes a service. */
export function moduleOf(service: string): string {
  return `services/${service}/${service}.service.ts`;
}

/** The service's own first step: it reads its settings. */
export async function loadService(service: string): Promise<ServiceModule> {
  const module = (await import(pathToFileURL(join(ROOT, moduleOf(service))).href)) as {
    default: ServiceModule;
  };
  return module.default;
}

/** The files that a file needs at run time, itself among them; none below a folder that is left out. */
export function filesBehind(
  file: string,
  isLeftOut: (file: string) => boolean = () => false,
): ReadonlySet<string> {
  const found = new Set<string>();
  function visit(path: string): void {
    if (found.has(path) || isLeftOut(path)) return;
    found.add(path);
    for (const [, imported] of sourceOf(path).matchAll(/(?:from|import\()\s*"(\.[^"]+\.ts)"/g)) {
      visit(relative(ROOT, join(ROOT, dirname(path), imported as string)));
    }
  }
  visit(file);
  return found;
}

/** A source file's text, by its path in the project. */
export function sourceOf(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

/** The settings that these files declare, by their variables' names. */
export async function variablesIn(files: Iterable<string>): Promise<ReadonlyMap<string, Variable>> {
  const variables = new Map<string, Variable>();
  for (const file of files) {
    if (!/\bexport const \w+Variables\b/.test(sourceOf(file))) continue;
    const module = (await import(pathToFileURL(join(ROOT, file)).href)) as Record<string, unknown>;
    for (const [name, group] of Object.entries(module)) {
      if (!name.endsWith("Variables")) continue;
      for (const variable of Object.values(group as Variables)) variables.set(variable.name, variable);
    }
  }
  return variables;
}

/** The settings that every process reads, whichever services it runs. */
export function processVariables() {
  const isService = (file: string) => serviceNames.some((name) => file.startsWith(`services/${name}/`));
  return variablesIn(filesBehind("services/main.ts", isService));
}

/** The value of a number that the code names. */
export function constantIn(file: string, name: string): number {
  const [, digits] = new RegExp(`^const ${name} = ([\\d_]+);`, "m").exec(sourceOf(file)) ?? [];
  if (digits === undefined) throw new Error(`${file} has no constant ${name} any more.`);
  return Number(digits.replaceAll("_", ""));
}
