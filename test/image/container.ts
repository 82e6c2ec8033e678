import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Image } from "./dockerfile.ts";

/**
 * A mount namespace in which the image's folder is the root, read-only, with /tmp in memory, and a process namespace
 * whose process 1 is what the image starts, as the image's user, without privileges and without a way to get any.
 */
const ISOLATE = `
root=$1; shift
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root"
mount -t tmpfs -o mode=1777,size=16m tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for file in hosts resolv.conf; do mount --bind "/etc/$file" "$root/etc/$file"; done
exec setpriv --no-new-privs unshare "$@"
`;
const NAMESPACES = ["--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation", "private"];

export interface Container {
  /** What it wrote to its standard output and error so far. */
  readonly output: () => string;
  readonly exited: Promise<number | null>;
  /** The files in its /tmp, the only place where it can write. */
  temporaryFiles(): Promise<string[]>;
  /** Sends its process 1 the signal that a container engine sends, and answers its exit code. */
  stop(): Promise<number | null>;
}

export interface ContainerOptions {
  readonly arguments?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A user's number in place of the image's. */
  readonly user?: string;
}

/** Makes the files that a container engine mounts its own over, and would make itself. */
export async function prepareMountPoints(image: Image): Promise<void> {
  for (const file of ["hosts", "resolv.conf"]) await writeFile(join(image.root, "etc", file), "");
}

/** Starts a container of the image as Docker would, but on this machine's network. */
export function startContainer(image: Image, options: ContainerOptions = {}): Container {
  const { entrypoint = image.entrypoint, env = {}, user = image.user } = options;
  const [uid, gid] = user.split(":") as [string, string];
  // Without being root, one's own number can only be shown as another.
  const isRoot = process.getuid?.() === 0;
  const child = spawn(
    "unshare",
    [
      ...(isRoot ? [] : ["--user", "--map-root-user"]),
      ...NAMESPACES,
      ...["sh", "-ec", ISOLATE, "sh", image.root],
      ...(isRoot
        ? [`--setgid=${gid}`, `--setuid=${uid}`]
        : ["--user", `--map-group=${gid}`, `--map-user=${uid}`]),
      ...[`--root=${image.root}`, `--wd=${image.workdir}`, "--"],
      ...["/usr/local/bin/node", ...entrypoint.slice(1), ...(options.arguments ?? [])],
    ],
    { env: { ...image.env, ...env, PATH: process.env.PATH }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const exited = once(child, "close").then(([code]) => code as number | null);

  return {
    output: () => output,
    exited,
    temporaryFiles: async () => readdir(`/proc/${await firstProcess(child)}/root/tmp`),
    async stop() {
      process.kill(await firstProcess(child), "SIGTERM");
      return await exited;
    },
  };
}

/** Runs something in a container to its end. */
export async function runInContainer(image: Image, options: ContainerOptions) {
  const container = startContainer(image, options);
  return { code: await container.exited, output: container.output() };
}

/** Its process 1, by its number outside. */
async function firstProcess({ pid }: ChildProcess): Promise<number> {
  return Number((await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim());
}
