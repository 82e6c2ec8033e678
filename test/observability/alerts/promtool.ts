import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { unpackDebianPackages } from "../../support/debian-packages.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
/** It needs a C library of this release or newer, and nothing else. */
const SUITE = "bookworm";
const FOLDER = join(ROOT, ".cache", "prometheus", SUITE);
const UNPACKED = join(FOLDER, "usr", "bin", "promtool");
/** The oldest whose tests and checks are used here. */
const OLDEST: readonly [number, number] = [2, 42];
const NEEDED = `The tests need promtool ${OLDEST.join(".")} or newer on PATH, or apt with Debian's packages`;
const TIMEOUT_MS = 180_000;

let found: Promise<string> | undefined;

/** Prometheus' own tool for rules: the one on PATH, else Debian's, unpacked into the cache. */
export function obtainPromtool(): Promise<string> {
  found ??= obtain();
  return found;
}

async function obtain(): Promise<string> {
  for (const binary of ["promtool", UNPACKED]) if (await isUsable(binary)) return binary;
  await unpackDebianPackages({ suite: SUITE, packages: ["prometheus"] }, FOLDER).catch((error: Error) => {
    throw new Error(`${NEEDED}. ${error.message}`);
  });
  if (await isUsable(UNPACKED)) return UNPACKED;
  throw new Error(`${NEEDED}. Debian's does not run here.`);
}

async function isUsable(binary: string): Promise<boolean> {
  const { stdout, stderr } = await run(binary, ["--version"], { timeout: 20_000 }).catch(() => ({
    stdout: "",
    stderr: "",
  }));
  const [, major, minor] = /^promtool, version (\d+)\.(\d+)/m.exec(`${stdout}\n${stderr}`) ?? [];
  return Number(major) > OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) >= OLDEST[1]);
}

/** What promtool has to say against something; nothing when all is well. */
export async function promtool(...words: string[]): Promise<string> {
  return run(await obtainPromtool(), words, { cwd: ROOT, timeout: TIMEOUT_MS }).then(
    () => "",
    (error: Error & { stdout?: string; stderr?: string }) =>
      `${error.stdout ?? ""}${error.stderr ?? ""}` || error.message,
  );
}

/** Runs a test file of promtool's form. */
export async function testRules(tests: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "butler-promtool-"));
  try {
    const path = join(folder, "test.yml");
    // JSON is YAML.
    await writeFile(path, JSON.stringify(tests));
    return await promtool("test", "rules", path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
