import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Debian's own signatures: apt refuses what they do not vouch for. */
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const TIMEOUT_MS = 120_000;

export interface DebianPackages {
  /** The Debian release that they are taken from. */
  readonly suite: string;
  readonly packages: readonly string[];
}

/** Unpacks packages of Debian's into a folder, by an apt of its own: nothing is installed, configured or started. */
export async function unpackDebianPackages(
  { suite, packages }: DebianPackages,
  target: string,
): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const folder = await mkdtemp(join(dirname(target), "unfinished-"));
  try {
    const options = await aptIn(folder, suite);
    const apt = (...words: string[]) =>
      run("apt-get", [...words], {
        cwd: folder,
        env: { ...process.env, APT_CONFIG: options },
        timeout: TIMEOUT_MS,
      });
    await apt("update");
    await apt("download", ...packages);
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
    throw new Error(`Debian's ${packages[0]} cannot be had: ${reason}`, { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** An apt of its own, that changes nothing of the machine's: the configuration's path. */
async function aptIn(folder: string, suite: string): Promise<string> {
  await access(KEYRING);
  const { stdout } = await run("apt-get", ["indextargets", "--format", "$(REPO_URI)"], {
    timeout: TIMEOUT_MS,
  });
  const mirror = stdout.split("\n").find((uri) => /\/debian\/?$/.test(uri));
  if (!mirror) throw new Error("apt knows no mirror of Debian.");
  for (const name of ["lists/partial", "archives/partial"])
    await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, "status"), "");
  await writeFile(join(folder, "sources"), `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`);
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
