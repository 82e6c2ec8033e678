import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { isRunning } from "../../scripts/development/processes.ts";
import { claimRun, currentRun, type Run } from "../../scripts/development/run-file.ts";

let folder: string;
let others: ChildProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "butler-run-"));
  others = [];
});
afterEach(async () => {
  for (const other of others) other.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

/** A process whose command line looks like that of a file of the project. */
async function pretend(file: string, program = "setInterval(() => {}, 1000)"): Promise<number> {
  const path = join(folder, file);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, `${program}; console.log("up")`);
  const other = spawn(process.execPath, [path], { stdio: ["ignore", "pipe", "inherit"] });
  others.push(other);
  await new Promise((resolve) => other.stdout?.once("data", resolve));
  return other.pid as number;
}

async function leave(run: Partial<Run>): Promise<void> {
  await writeFile(join(folder, "run.json"), JSON.stringify({ pid: 0, processes: [], ready: true, ...run }));
}

describe("claimRun", () => {
  it("tells others how to reach this run, privately, until it is released", async () => {
    const run = await claimRun(folder, () => {});
    void run.update({ processes: [1, 2] });
    await run.update({ ready: true, tokens: { endpoint: "http://127.0.0.1:3080/token" } });
    expect(JSON.parse(await readFile(join(folder, "run.json"), "utf8"))).toEqual({
      pid: process.pid,
      processes: [1, 2],
      ready: true,
      tokens: { endpoint: "http://127.0.0.1:3080/token" },
    });
    expect((await stat(join(folder, "run.json"))).mode & 0o777).toBe(0o600);
    await run.release();
    await expect(stat(join(folder, "run.json"))).rejects.toThrow("ENOENT");
  });

  it("refuses while another starter is alive, and leaves its file alone", async () => {
    const pid = await pretend("scripts/start.ts");
    await leave({ pid });
    await expect(claimRun(folder, () => {})).rejects.toThrow(
      `already runs from this checkout (process ${pid})`,
    );
    expect(await currentRun(folder)).toMatchObject({ pid, ready: true });
  });

  it("takes over from a dead starter, also when its process id has another owner or the file is torn", async () => {
    await leave({ pid: process.pid });
    expect(await currentRun(folder)).toBeUndefined();
    await (await claimRun(folder, () => {})).release();
    await writeFile(join(folder, "run.json"), '{"pid":');
    await (await claimRun(folder, () => {})).release();
  });

  it("waits for what a dead starter left behind, and ends no other program", async () => {
    const draining = await pretend("services/main.ts", "setTimeout(() => process.exit(), 700)");
    const stranger = await pretend("stranger.ts");
    await leave({ processes: [draining, stranger] });
    const run = await claimRun(folder, () => {});
    expect(await isRunning(draining)).toBe(false);
    expect(others[1]?.exitCode ?? others[1]?.signalCode).toBeNull();
    await run.release();
  });
});
