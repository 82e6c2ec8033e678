// The folder in which fetched nats-servers are kept, safe for several processes at once.
import { access, mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";

export type SourceOptions = {
  cacheFolder: string;
  /** Look only at what was obtained before; touch no network. */
  cachedOnly: boolean;
  log: (line: string) => void;
  signal: AbortSignal;
};

const unfinishedPrefix = "unfinished-";
const unfinishedAgeMaxMs = 60 * 60 * 1000;

/**
 * The path of `binary` in the folder `name` of the cache. When it is not there yet, `fetch` fills a new folder and
 * answers where in it that folder is now, or undefined when it could not.
 */
export async function obtainCached(
  options: SourceOptions,
  { name, binary }: { name: string; binary: string },
  fetch: (unfinished: string) => Promise<string | undefined>,
): Promise<string | undefined> {
  const target = join(options.cacheFolder, name);
  const path = join(target, binary);
  if (await exists(path)) return path;
  if (options.cachedOnly) return undefined;
  await mkdir(options.cacheFolder, { recursive: true });
  await removeAbandoned(options.cacheFolder);
  const unfinished = await mkdtemp(join(options.cacheFolder, unfinishedPrefix));
  try {
    const finished = await fetch(unfinished);
    if (finished === undefined || !(await exists(join(finished, binary)))) return undefined;
    await publish(finished, target);
    return path;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Two at once may finish; the second one leaves the first one's. */
async function publish(finished: string, target: string): Promise<void> {
  await rename(finished, target).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
  });
}

/** A killed process cannot clean up after itself. */
async function removeAbandoned(cacheFolder: string): Promise<void> {
  for (const name of await readdir(cacheFolder)) {
    if (!name.startsWith(unfinishedPrefix)) continue;
    const folder = join(cacheFolder, name);
    const changed = await stat(folder).catch(() => undefined);
    if (changed && Date.now() - changed.mtimeMs > unfinishedAgeMaxMs) {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
