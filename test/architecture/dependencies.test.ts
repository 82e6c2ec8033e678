import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface SourceFile {
  /** From the project's root: `services/users/users.service.ts`. */
  readonly path: string;
  readonly text: string;
  /** Without comments and without what is in quotes. */
  readonly code: string;
  /** What it imports: packages by their names, files by their paths from the project's root. */
  readonly imports: readonly string[];
}

const files = ["services", "scripts", "bench", "chaos", "test"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => sourceFile(join(folder, path))),
);
const services = files.filter(({ path }) => path.startsWith("services/"));

function sourceFile(path: string): SourceFile {
  const text = readFileSync(join(root, path), "utf8");
  const withoutComments = text.replaceAll(/\/\*.*?\*\/|(?<!:)\/\/[^\n]*/gs, "");
  const specifiers = [
    ...withoutComments.matchAll(
      /^(?:import|export)\b[^;]*?from "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)/gm,
    ),
  ].map(([, from, alone, dynamic]) => (from ?? alone ?? dynamic) as string);
  return {
    path,
    text,
    code: withoutComments.replaceAll(/"(?:[^"\\\n]|\\.)*"/g, '""').replaceAll(/`(?:[^`\\]|\\.)*`/g, "``"),
    imports: specifiers.map((specifier) =>
      specifier.startsWith(".") ? join(dirname(path), specifier) : specifier,
    ),
  };
}

/** The composition root: what puts the services together may know them all. */
const compositionRoot = new Set(["services/main.ts", "services/migrations.ts"]);

/** The folder of services/ that a file belongs to: a service's name, or `common`. */
function folderOf(path: string): string {
  return path.split("/")[1] as string;
}

/** A service's public face, whole or in parts; `common/contract.ts` only says what that is. */
function isContract(path: string): boolean {
  return /^services\/(?!common\/)[a-z-]+\/contract(\/[a-z-]+)?\.ts$/.test(path);
}

function isFile(imported: string): boolean {
  return imported.endsWith(".ts");
}

/** Each violation as `file → what it must not import`. */
function violations(
  of: readonly SourceFile[],
  isAllowed: (file: SourceFile, imported: string) => boolean,
): string[] {
  return of.flatMap((file) =>
    file.imports
      .filter((imported) => !isAllowed(file, imported))
      .map((imported) => `${file.path} → ${imported}`),
  );
}

describe("this test", () => {
  it("reads imports of every form", () => {
    const main = services.find(({ path }) => path === "services/main.ts");
    expect(main?.imports).toEqual(expect.arrayContaining(["node:os", "moleculer", "moleculer.config.ts"]));
    expect(main?.imports).toContain("services/users/users.service.ts");
    const portfolios = services.find(({ path }) => path === "services/portfolios/portfolios.service.ts");
    expect(portfolios?.imports).toContain("services/common/database/config.ts");
    expect(services.length).toBeGreaterThan(40);
  });
});

describe("a service", () => {
  it("imports common/, its own folder, and other services' contracts; nothing else of ours", () => {
    const serviceFiles = services.filter(
      ({ path }) => !compositionRoot.has(path) && folderOf(path) !== "common",
    );
    expect(
      violations(
        serviceFiles,
        ({ path }, imported) =>
          !isFile(imported) ||
          (imported.startsWith("services/") &&
            (folderOf(imported) === "common" ||
              folderOf(imported) === folderOf(path) ||
              isContract(imported))),
      ),
    ).toEqual([]);
  });

  it("knows nothing of the others in common/", () => {
    const common = services.filter(({ path }) => folderOf(path) === "common");
    expect(
      violations(common, (_, imported) => !isFile(imported) || imported.startsWith("services/common/")),
    ).toEqual([]);
  });

  it("keeps its contract free of everything but other contracts and the words of common/", () => {
    const words = [
      "services/common/contract.ts",
      "services/common/principal.ts",
      "services/common/values.ts",
      "zod",
    ];
    const contracts = services.filter(({ path }) => isContract(path));
    expect(contracts.length).toBeGreaterThan(2);
    expect(violations(contracts, (_, imported) => words.includes(imported) || isContract(imported))).toEqual(
      [],
    );
  });
});

describe("domain/", () => {
  const domain = services.filter(({ path }) => path.includes("/domain/"));

  it("imports no Moleculer, no MikroORM, no input or output: decimals, assertions, and its service's own words", () => {
    const packages = new Set(["node:assert", "node:assert/strict", "decimal.js"]);
    expect(domain.length).toBeGreaterThan(0);
    expect(
      violations(domain, ({ path }, imported) =>
        isFile(imported)
          ? imported.startsWith(`${dirname(path)}/`) ||
            (isContract(imported) && folderOf(imported) === folderOf(path))
          : packages.has(imported),
      ),
    ).toEqual([]);
  });

  it("has nothing asynchronous, and knows no clock and no chance", () => {
    const impure = domain.filter(({ code }) =>
      /\basync\b|\bawait\b|\bPromise\b|Date\.now|new Date\(\)|Math\.random/.test(code),
    );
    expect(impure.map(({ path }) => path)).toEqual([]);
  });
});

describe("the house rules", () => {
  const pathsOf = (matching: readonly SourceFile[]) => matching.map(({ path }) => path);

  it("let services read process.env in one place", () => {
    expect(pathsOf(services.filter(({ code }) => /process\s*\.\s*env\b|process\[/.test(code)))).toEqual([
      "services/common/config.ts",
    ]);
  });

  it("let only configuration modules and the composition root have the environment from there", () => {
    const readers = services.filter(({ text }) =>
      /import \{[^}]*\benvironment\b[^}]*\} from "[^"]*config\.ts"/.test(text),
    );
    expect(pathsOf(readers)).toEqual(["services/main.ts"]);
  });

  it("allow default exports of service and configuration files only", () => {
    const allowed = /(\.service|\.config|\/config)\.ts$|\.d\.ts$/;
    const others = files.filter(({ path, code }) => /^export default\b/m.test(code) && !allowed.test(path));
    expect(pathsOf(others)).toEqual([]);
  });

  it("keep files to 250 lines, tests apart", () => {
    const lengths = files
      .filter(({ path }) => !path.startsWith("test/"))
      .map(({ path, text }) => ({ path, lines: text.trimEnd().split("\n").length }));
    expect(lengths.filter(({ lines }) => lines > 250)).toEqual([]);
  });

  it("allow no any, no enum, no namespace, and no switching off of the type check", () => {
    // MikroORM's own bound for 'an entity of whatever type' is the one exception.
    const allowed = new Set(["services/common/database/database.ts"]);
    const loose = files.filter(
      ({ path, code }) => /(?::|<|\bas|,|\||&)\s*any\b|\bany\[\]/.test(code) && !allowed.has(path),
    );
    expect(pathsOf(loose)).toEqual([]);
    expect(
      pathsOf(files.filter(({ code }) => /^\s*(export )?(const )?(enum|namespace) \w+ \{/m.test(code))),
    ).toEqual([]);
    const ignoring = ["ignore", "nocheck"].map((word) => `@ts-${word}`);
    expect(pathsOf(files.filter(({ text }) => ignoring.some((words) => text.includes(words))))).toEqual([]);
  });

  it("allow no barrels and no modules of odds and ends", () => {
    expect(pathsOf(services.filter(({ path }) => /\/(utils?|helpers?|misc)(\/|\.ts$)/.test(path)))).toEqual(
      [],
    );
    const indexes = services.filter(
      ({ path }) => path.endsWith("/index.ts") && !path.includes("/migrations/"),
    );
    expect(pathsOf(indexes)).toEqual([]);
  });

  it("name files in kebab case", () => {
    const odd = files.filter(
      ({ path }) => !/^([a-z0-9-]+\/)+[a-z0-9-]+(\.[a-z]+)*\.ts$/.test(relative(root, join(root, path))),
    );
    expect(pathsOf(odd)).toEqual([]);
  });
});
