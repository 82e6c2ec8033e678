// `node scripts/release/root-filesystem.ts image`: the whole file system of the image, as a folder, from this checkout.
import { chmod, copyFile, cp, lutimes, mkdir, readdir, realpath, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

/** What runs, from the checkout. */
const SOURCES = ["package.json", "moleculer.config.ts", "services", "scripts", "node_modules"];
/** Scripts that only make the image. */
const BUILD_SCRIPTS = ["scripts/release/prune.ts", "scripts/release/root-filesystem.ts"];
/** The C library looks up users and hosts here. */
const FILES: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0:root:/:/nologin\nbutler:x:10001:10001:butler:/app:/nologin\n",
  "etc/group": "root:x:0:\nbutler:x:10001:\n",
  "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
};
/** Where a container engine mounts something; made here so that nothing has to be written for it. */
const MOUNT_POINTS = ["proc", "sys", "dev", "tmp"];
const EXECUTABLE = /^usr\/local\/bin\/|\.so(\.\d+)*$/;
/** The same for every build, so that two builds of one commit are equal to the byte. */
const MODIFIED = new Date(Number(process.env.SOURCE_DATE_EPOCH || 0) * 1000);

/**
 * Fills a new folder with what the image consists of: this Node with the shared libraries that it has loaded, and in
 * /app the checkout's code with the packages of its node_modules (which should be the production ones, pruned).
 */
export async function assembleRootFilesystem(checkout: string, root: string): Promise<void> {
  await mkdir(root);
  for (const path of MOUNT_POINTS) await mkdir(join(root, path));
  for (const [path, content] of Object.entries(FILES)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  await copyTo(root, "usr/local/bin/node", process.execPath);
  for (const library of sharedLibraries()) await copyTo(root, library.slice(1), library);
  for (const source of SOURCES) {
    await cp(join(checkout, source), join(root, "app", source), { recursive: true, dereference: true });
  }
  for (const script of BUILD_SCRIPTS) await rm(join(root, "app", script), { force: true });
  await makeEqual(root, "");
}

/** By absolute path, as the loader looks for them; the loader itself is among them. */
function sharedLibraries(): string[] {
  const { sharedObjects } = process.report.getReport() as { sharedObjects: string[] };
  // The kernel brings linux-vdso itself.
  return sharedObjects.filter((path) => path.startsWith("/") && path !== process.execPath);
}

async function copyTo(root: string, path: string, from: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await copyFile(await realpath(from), join(root, path));
}

/** Gives everything the modes and times that depend on nothing but its path. */
async function makeEqual(root: string, folder: string): Promise<void> {
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await makeEqual(root, path);
    else await chmod(join(root, path), EXECUTABLE.test(path) ? 0o755 : 0o644);
    await lutimes(join(root, path), MODIFIED, MODIFIED);
  }
  // Everybody may write to /tmp, as everywhere; all else is read.
  await chmod(join(root, folder), folder === "tmp" ? 0o1777 : 0o755);
  await lutimes(join(root, folder), MODIFIED, MODIFIED);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [root, ...others] = process.argv.slice(2);
  if (root === undefined || others.length > 0) {
    console.error("Name one new folder: node scripts/release/root-filesystem.ts image");
    process.exit(1);
  }
  await assembleRootFilesystem(process.cwd(), root);
}
