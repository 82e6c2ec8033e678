import { createHash } from "node:crypto";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

export interface TreeEntry {
  readonly path: string;
  /** Kind and permissions, as `stat` gives them. */
  readonly mode: number;
  readonly modifiedMs: number;
  readonly bytes: number;
  /** Of a file's content or a link's target. */
  readonly hash: string;
}

/** All that lies in a folder, in the order of the paths. */
export async function listTree(root: string): Promise<TreeEntry[]> {
  const paths = (await readdir(root, { recursive: true })).sort();
  const entries: TreeEntry[] = [];
  for (const path of paths) {
    const { mode, mtimeMs, size } = await lstat(join(root, path));
    const isFolder = (mode & 0o170_000) === 0o040_000;
    const isLink = (mode & 0o170_000) === 0o120_000;
    const content = isFolder
      ? ""
      : isLink
        ? await readlink(join(root, path))
        : await readFile(join(root, path));
    entries.push({
      path,
      mode,
      modifiedMs: mtimeMs,
      bytes: isFolder ? 0 : size,
      hash: createHash("sha256").update(content).digest("hex"),
    });
  }
  return entries;
}
