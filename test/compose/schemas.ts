import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Ajv, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import { obtainCached } from "../../scripts/development/nats-server-cache.ts";

const run = promisify(execFile);
const INSTALL_TIMEOUT_MS = 120_000;
const CACHE = fileURLToPath(new URL("../../.cache/tools", import.meta.url));
const VERSION = "0.39.0";
/** The PyPI package that ships the schemas of Compose, GitHub's workflows and Renovate, as their projects publish them. */
const REQUIREMENT = `check-jsonschema==${VERSION} --hash=sha256:14ce5c94871c551268ea948ffe21e9f1464dc48fb20bf9a4c13deeaaf756cf9b\n`;

/** How a document is not as its format's own schema says; none when it is. */
export async function faultsBySchema(
  schema: "compose-spec" | "github-workflows" | "renovate",
  document: unknown,
): Promise<string[]> {
  const path = join("check_jsonschema", "builtin_schemas", "vendor", `${schema}.json`);
  const options = {
    cacheFolder: CACHE,
    cachedOnly: false,
    log: () => undefined,
    signal: new AbortController().signal,
  };
  const found = await obtainCached(options, { name: `check-jsonschema-${VERSION}`, binary: path }, install);
  if (!found) throw new Error("The schemas cannot be had: they come with pip, as check-jsonschema.");
  const validate = compile(JSON.parse(await readFile(found, "utf8")));
  validate(document);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

async function install(unfinished: string): Promise<string> {
  const requirements = join(unfinished, "requirements.txt");
  const target = join(unfinished, "target");
  await writeFile(requirements, REQUIREMENT);
  const flags = [
    "--require-hashes",
    "--only-binary=:all:",
    "--no-deps",
    "--no-user",
    "--no-compile",
    "--quiet",
  ];
  const words = [
    "-m",
    "pip",
    "install",
    ...flags,
    "--no-input",
    "--target",
    target,
    "--requirement",
    requirements,
  ];
  await run("python3", words, { timeout: INSTALL_TIMEOUT_MS });
  return target;
}

function compile(schema: { readonly $schema: string }): ValidateFunction {
  const options = { strict: false, allErrors: true, validateFormats: false } as const;
  return (schema.$schema.includes("2020-12") ? new Ajv2020(options) : new Ajv(options)).compile(schema);
}
