import { execFile } from "node:child_process";
import { cp, mkdir, readFile, stat } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const STEP_TIMEOUT_MS = 240_000;

interface Instruction {
  readonly keyword: string;
  readonly rest: string;
}

/** What a container of the image starts with. */
export interface ImageConfig {
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly healthcheck: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly exposed: readonly string[];
}

export interface Image extends ImageConfig {
  /** The folder with its file system. */
  readonly root: string;
}

/** A Dockerfile's instructions: comments left out, continued lines joined. */
export function parseDockerfile(text: string): Instruction[] {
  return text
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n\s*/g, " ")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => {
      const [, keyword, rest] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
      if (keyword === undefined || rest === undefined) throw new Error(`No instruction: ${line}`);
      return { keyword, rest };
    });
}

/**
 * Follows the Dockerfile without a container engine, as far as our Dockerfile goes: base images give nothing but what
 * this machine has (Node, npm, its libraries), and RUN steps run here, in the folder that stands for the stage's root.
 * So RUN steps use relative paths. What is not understood is an error.
 */
export async function buildImage(project: string, folder: string): Promise<Image> {
  const isIgnored = ignoring(await readFile(join(project, ".dockerignore"), "utf8"));
  const stages = new Map<string, string>();
  let root = "";
  let config = emptyConfig();

  function set(part: Partial<ImageConfig>): void {
    config = { ...config, ...part };
  }

  async function copy(rest: string): Promise<void> {
    const words = rest.split(/\s+/);
    const from = words[0]?.startsWith("--from=") ? words.shift()?.slice("--from=".length) : undefined;
    const target = words.pop() as string;
    const source = from === undefined ? project : stages.get(from);
    if (source === undefined) throw new Error(`There is no stage ${from}`);
    for (const word of words) {
      const path = join(source, word);
      const isFolder = (await stat(path)).isDirectory();
      const into = target.endsWith("/") && !isFolder ? join(target, basename(word)) : target;
      const destination = join(root, into.startsWith("/") ? "" : config.workdir, into);
      // With the times of folders, which Node's own would not keep; links save copying what nobody changes.
      if (from !== undefined) await run("cp", ["-al", `${path}/.`, destination]);
      else {
        const filter = (each: string) => !isIgnored(relative(project, each));
        await cp(path, destination, { recursive: true, filter });
      }
    }
  }

  const steps: Readonly<Record<string, (rest: string) => void | Promise<void>>> = {
    ARG: () => undefined,
    STOPSIGNAL: () => undefined,
    async FROM(rest) {
      const [, , name = "final"] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? [];
      root = join(folder, name);
      stages.set(name, root);
      config = emptyConfig();
      await mkdir(root, { recursive: true });
    },
    async WORKDIR(rest) {
      set({ workdir: rest });
      await mkdir(join(root, rest), { recursive: true });
    },
    COPY: copy,
    async RUN(rest) {
      await run("sh", ["-ec", rest], {
        cwd: join(root, config.workdir),
        env: { ...process.env, NODE_OPTIONS: undefined, npm_config_prefer_offline: "true" },
        timeout: STEP_TIMEOUT_MS,
        maxBuffer: 16 * 1024 * 1024,
      });
    },
    ENV: (rest) => set({ env: { ...config.env, ...assignments(rest) } }),
    LABEL: (rest) => set({ labels: { ...config.labels, ...assignments(rest) } }),
    USER: (user) => set({ user }),
    EXPOSE: (rest) => set({ exposed: rest.split(" ") }),
    HEALTHCHECK: (rest) => set({ healthcheck: JSON.parse(rest.slice(rest.indexOf("["))) }),
    ENTRYPOINT: (rest) => set({ entrypoint: JSON.parse(rest) }),
  };
  for (const { keyword, rest } of parseDockerfile(await readFile(join(project, "Dockerfile"), "utf8"))) {
    const step = steps[keyword];
    if (!step) throw new Error(`This test does not know what ${keyword} does: teach it`);
    await step(rest);
  }
  return { root, ...config };
}

function emptyConfig(): ImageConfig {
  return { env: {}, workdir: "/", user: "0:0", entrypoint: [], healthcheck: [], labels: {}, exposed: [] };
}

/** `NAME=value OTHER="two words"`. */
function assignments(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S*))/g)];
  return Object.fromEntries(pairs.map(([, name, quoted, plain]) => [name, quoted ?? plain ?? ""]));
}

/** Which paths of the project a .dockerignore keeps out: the last line that fits a path or a folder above it decides. */
function ignoring(text: string): (path: string) => boolean {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const rules = lines.map((line) => ({
    isIgnored: !line.startsWith("!"),
    pattern: new RegExp(`^${line.replace(/^!/, "").replaceAll(".", "\\.").replaceAll("*", "[^/]*")}(/|$)`),
  }));
  return (path) => path !== "" && (rules.findLast(({ pattern }) => pattern.test(path))?.isIgnored ?? false);
}
