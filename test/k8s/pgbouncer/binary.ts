import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../support/code.ts";

const run = promisify(execFile);
const CACHE = join(ROOT, ".cache", "pgbouncer");
/** The Debian release whose PgBouncer is taken; its version keeps named statements in transaction mode. */
const SUITE = "trixie";
/** Debian's own signatures: apt refuses what they do not vouch for. */
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
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
const TIMEOUT_MS = 120_000;

/** How a PgBouncer is started here: the program, and what comes before its own arguments. */
export type PgBouncerCommand = readonly [program: string, ...before: string[]];

/** A PgBouncer that knows `max_prepared_statements`: the one on PATH, else Debian's, unpacked into the cache. */
export async function obtainPgBouncer(): Promise<PgBouncerCommand> {
  if (await isUsable(["pgbouncer"])) return ["pgbouncer"];
  const folder = join(CACHE, SUITE);
  const cached = await commandIn(folder);
  if (cached && (await isUsable(cached))) return cached;
  await unpack(folder);
  const unpacked = await commandIn(folder);
  if (unpacked && (await isUsable(unpacked))) return unpacked;
  throw new Error(`Debian's PgBouncer does not run here; put ${OLDEST.join(".")} or newer on PATH.`);
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

async function unpack(target: string): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, "unfinished-"));
  try {
    const options = await aptIn(folder);
    const apt = (...words: string[]) =>
      run("apt-get", [...words], {
        cwd: folder,
        env: { ...process.env, APT_CONFIG: options },
        timeout: TIMEOUT_MS,
      });
    await apt("update");
    await apt("download", ...PACKAGES);
    const unpacked = join(folder, "unpacked");
    for (const file of (await readdir(folder)).filter((name) => name.endsWith(".deb"))) {
      await run("dpkg-deb", ["--extract", join(folder, file), unpacked]);
    }
    // Two at once may finish; the second one leaves the first one's.
    await rename(unpacked, target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } catch (error) {
    const reason = (error as { stderr?: string }).stderr?.trim() || (error as Error).message;
    throw new Error(
      `The tests need PgBouncer ${OLDEST.join(".")} or newer on PATH, or apt with Debian's packages: ${reason}`,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** An apt of its own, that changes nothing of the machine's: the configuration's path. */
async function aptIn(folder: string): Promise<string> {
  await access(KEYRING);
  const { stdout } = await run("apt-get", ["indextargets", "--format", "$(REPO_URI)"], {
    timeout: TIMEOUT_MS,
  });
  const mirror = stdout.split("\n").find((uri) => /\/debian\/?$/.test(uri));
  if (!mirror) throw new Error("apt knows no mirror of Debian.");
  for (const name of ["lists/partial", "archives/partial"])
    await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, "status"), "");
  await writeFile(join(folder, "sources"), `deb [signed-by=${KEYRING}] ${mirror} ${SUITE} main\n`);
  const settings = {
    "Dir::Etc::SourceList": join(folder, "sources"),
    "Dir::Etc::SourceParts": "-",
    "Dir::State::Lists": join(folder, "lists"),
    "Dir::State::Status": join(folder, "status"),
    "Dir::Cache": folder,
    "Dir::Cache::Archives": join(folder, "archives"),
    "Acquire::Languages": "none",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    "APT::Sandbox::User": "root",
  };
  const path = join(folder, "apt.conf");
  await writeFile(
    path,
    Object.entries(settings)
      .map(([name, value]) => `${name} "${value}";\n`)
      .join(""),
  );
  return path;
}
