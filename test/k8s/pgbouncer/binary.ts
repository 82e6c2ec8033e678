import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { unpackDebianPackages } from "../../support/debian-packages.ts";
import { ROOT } from "../support/code.ts";

const run = promisify(execFile);
/** The Debian release whose PgBouncer is taken; its version keeps named statements in transaction mode. */
const SUITE = "trixie";
const FOLDER = join(ROOT, ".cache", "pgbouncer", SUITE);
/** PgBouncer and what it stands on, so that it runs beside older libraries. */
const PACKAGES = [
  "pgbouncer",
  "libc6",
  "libcares2",
  "libevent-2.1-7t64",
  "libpam0g",
  "libssl3t64",
  "libsystemd0",
  "libaudit1",
  "libcap-ng0",
  "libcap2",
  "zlib1g",
  "libzstd1",
];
const OLDEST: readonly [number, number] = [1, 21];
const NEEDED = `The tests need PgBouncer ${OLDEST.join(".")} or newer on PATH, or apt with Debian's packages`;

/** How a PgBouncer is started here: the program, and what comes before its own arguments. */
export type PgBouncerCommand = readonly [program: string, ...before: string[]];

/** A PgBouncer that knows `max_prepared_statements`: the one on PATH, else Debian's, unpacked into the cache. */
export async function obtainPgBouncer(): Promise<PgBouncerCommand> {
  if (await isUsable(["pgbouncer"])) return ["pgbouncer"];
  const cached = await commandIn(FOLDER);
  if (cached && (await isUsable(cached))) return cached;
  await unpackDebianPackages({ suite: SUITE, packages: PACKAGES }, FOLDER).catch((error: Error) => {
    throw new Error(`${NEEDED}. ${error.message}`);
  });
  const unpacked = await commandIn(FOLDER);
  if (unpacked && (await isUsable(unpacked))) return unpacked;
  throw new Error(`${NEEDED}. Debian's does not run here.`);
}

async function isUsable([program, ...before]: PgBouncerCommand): Promise<boolean> {
  const { stdout } = await run(program, [...before, "--version"], { timeout: 10_000 }).catch(() => ({
    stdout: "",
  }));
  const [, major, minor] = /^PgBouncer (\d+)\.(\d+)/.exec(stdout) ?? [];
  return Number(major) > OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) >= OLDEST[1]);
}

/** Its own loader finds its own libraries. */
async function commandIn(folder: string): Promise<PgBouncerCommand | undefined> {
  const libraries = join(folder, "usr", "lib");
  for (const triplet of await readdir(libraries).catch(() => [])) {
    const here = await readdir(join(libraries, triplet)).catch(() => []);
    const loader = here.find((file) => /^ld-linux-.*\.so\.\d+$/.test(file));
    if (!loader) continue;
    const path = join(libraries, triplet);
    return [join(path, loader), "--library-path", path, join(folder, "usr", "sbin", "pgbouncer")];
  }
  return undefined;
}
