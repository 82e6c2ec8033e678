import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { freePort, isRunning, waitForExit } from "../../scripts/development/processes.ts";
import type { Run } from "../../scripts/development/run-file.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
let checkout: string;
let environment: NodeJS.ProcessEnv;
let url: string;
const starters: ChildProcess[] = [];

// A checkout of its own, so that a system that somebody runs from this one is not in the way.
beforeAll(async () => {
  checkout = await mkdtemp(join(tmpdir(), "butler-checkout-"));
  await chmod(checkout, 0o755);
  for (const name of ["scripts", "services", "moleculer.config.ts", "package.json"]) {
    await cp(join(root, name), join(checkout, name), { recursive: true });
  }
  await symlink(join(root, "node_modules"), join(checkout, "node_modules"));
  await mkdir(join(root, ".cache", "nats-server"), { recursive: true });
  await mkdir(join(checkout, ".cache"));
  await symlink(join(root, ".cache", "nats-server"), join(checkout, ".cache", "nats-server"));
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  environment = {
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    HOME: process.env.HOME,
    SERVER_PORT: String(port),
    METRICS_PORT: String(20_000 + (process.pid % 10_000)),
    LOG_LEVEL: "warn",
  };
});

afterEach(async () => {
  for (const starter of starters.splice(0)) {
    if (starter.exitCode === null && starter.signalCode === null) {
      starter.kill("SIGTERM");
      await waitForExit(starter.pid as number, 30_000);
    }
  }
});

afterAll(() => rm(checkout, { recursive: true, force: true }));

/** Runs `npm start` as npm does, up to the line that says that it is ready. */
async function start(...options: string[]) {
  const starter = spawn(process.execPath, ["scripts/start.ts", ...options], {
    cwd: checkout,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  starters.push(starter);
  let output = "";
  const exited = new Promise<number | null>((resolve) => starter.once("exit", resolve));
  const ready = new Promise<void>((resolve) => {
    for (const stream of [starter.stdout, starter.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (output.includes("Ctrl-C stops everything")) resolve();
      });
    }
  });
  const failed = exited.then((code) => {
    throw new Error(`start ended with ${code} before it was ready:\n${output}`);
  });
  failed.catch(() => {});
  await Promise.race([ready, failed]);
  const { processes } = JSON.parse(await readFile(join(checkout, ".data", "run.json"), "utf8")) as Run;
  return { starter, exited, processes, output: () => output };
}

/** Runs a command in the checkout to its end. */
async function command(name: string, ...words: string[]) {
  return run(name, words, { cwd: checkout, env: environment }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
      code,
      stdout,
      stderr,
    }),
  );
}

async function request(token: string, method: string, body?: unknown) {
  const response = await fetch(`${url}/v1/portfolios`, {
    method,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: body === undefined ? null : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as unknown };
}

async function stillRunning(processes: readonly number[]): Promise<number[]> {
  const states = await Promise.all(processes.map(isRunning));
  return processes.filter((_, index) => states[index]);
}

/** A folder for PATH with what the scripts need of the system, and neither nats-server nor pip. */
async function bareTools(): Promise<string> {
  const folder = join(checkout, "bin");
  await mkdir(folder);
  await symlink(process.execPath, join(folder, "node"));
  for (const tool of ["id", "chmod", "ps"]) {
    const found = await run("/bin/sh", ["-c", `command -v ${tool} || true`]);
    if (found.stdout) await symlink(found.stdout.trim(), join(folder, tool));
  }
  return folder;
}

describe("npm start", () => {
  it("serves, gives tokens, refuses a second start, and leaves nothing running after SIGTERM", async () => {
    const before = await command("npm", "run", "-s", "token", "--", "alice");
    expect(before).toMatchObject({ code: 1, stdout: "" });
    expect(before.stderr).toContain("The system does not run");

    const { starter, exited, processes, output } = await start("--replicas", "portfolios=2");
    expect(output()).toContain("npm run -s token -- alice");
    expect(output()).toContain(`curl -H "Authorization: Bearer`);
    // Infrastructure, PostgreSQL, nats-server and seven of services.
    expect(processes).toHaveLength(10);

    const token = await command("npm", "run", "-s", "token", "--", "alice");
    expect(token).toMatchObject({ code: 0, stderr: "" });
    expect(token.stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(await request(token.stdout.trim(), "POST", { name: "Savings" })).toMatchObject({ status: 201 });
    expect(await request(token.stdout.trim(), "GET")).toMatchObject({
      status: 200,
      body: [{ name: "Savings" }],
    });

    const second = await command("node", "scripts/start.ts");
    expect(second).toMatchObject({ code: 1, stdout: "" });
    expect(second.stderr).toContain(`already runs from this checkout (process ${starter.pid})`);
    expect(await stillRunning(processes)).toEqual(processes);

    starter.kill("SIGTERM");
    expect(await exited).toBe(0);
    expect(await stillRunning(processes)).toEqual([]);
  }, 120_000);

  it("leaves nothing running when the starter is killed, and starts again on the same data", async () => {
    const first = await start();
    const alice = (await command("node", "scripts/token.ts", "alice")).stdout.trim();
    const saved = await request(alice, "GET");
    first.starter.kill("SIGKILL");
    await first.exited;
    await Promise.all(first.processes.map((pid) => waitForExit(pid, 30_000)));
    expect(await stillRunning(first.processes)).toEqual([]);

    const again = await start();
    expect(await request(alice, "GET")).toEqual(saved);
    again.starter.kill("SIGINT");
    expect(await again.exited).toBe(0);
    expect(await stillRunning(again.processes)).toEqual([]);
  }, 120_000);

  it("stops everything and says why when a service dies", async () => {
    const { exited, processes, output } = await start();
    process.kill(processes.at(-1) as number, "SIGKILL");
    expect(await exited).toBe(1);
    expect(output()).toMatch(/start: \w+ \(process \d+\) ended with signal SIGKILL; stopping everything/);
    expect(await stillRunning(processes)).toEqual([]);
  }, 120_000);

  it("runs all services in one process, and says so, where no nats-server can be had", async () => {
    const cache = join(checkout, ".cache", "nats-server");
    const path = environment.PATH;
    await rm(cache);
    await writeFile(cache, "no folder, so nothing can be kept here");
    environment.PATH = await bareTools();
    const { starter, exited, processes, output } = await start();
    expect(output()).toContain("no nats-server can be had, so all services run in one process without NATS");
    // Infrastructure, PostgreSQL and the services.
    expect(processes).toHaveLength(3);
    const token = (await command("node", "scripts/token.ts", "alice")).stdout.trim();
    expect(await request(token, "GET")).toMatchObject({ status: 200 });
    starter.kill("SIGTERM");
    expect(await exited).toBe(0);
    expect(await stillRunning(processes)).toEqual([]);

    const { code, stderr } = await command("node", "scripts/start.ts", "--replicas", "users=2");
    expect(code).toBe(1);
    expect(stderr).toContain("--replicas users needs NATS, and no nats-server can be had");
    environment.PATH = path;
  }, 120_000);

  it("names SERVER_PORT when its port is taken", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(Number(new URL(url).port), "127.0.0.1", resolve));
    const { code, stderr } = await command("node", "scripts/start.ts");
    await new Promise((resolve) => server.close(resolve));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Port \d+ on 127\.0\.0\.1 is taken: .*SERVER_PORT=\d+ npm start\n$/);
  });

  it("shows its help, and refuses an option that it does not know", async () => {
    expect(await command("node", "scripts/start.ts", "--help")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("--replicas <service>=<n>"),
    });
    expect(await command("node", "scripts/start.ts", "--replica", "users=2")).toEqual({
      code: 1,
      stdout: "",
      stderr: "Unknown option '--replica'. See: npm start -- --help\n",
    });
  });

  it("refuses the development issuer in production", async () => {
    environment.NODE_ENV = "production";
    const { code, stderr } = await command("node", "scripts/start.ts");
    delete environment.NODE_ENV;
    expect(code).toBe(1);
    expect(stderr).toContain("refuses to run with NODE_ENV=production");
  }, 60_000);
});
