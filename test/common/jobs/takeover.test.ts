import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { pause, until } from "../database/pools.ts";
import { type JobsGround, startJobsGround } from "./ground.ts";

let ground: JobsGround;
const children: ChildProcess[] = [];

beforeAll(async () => {
  ground = await startJobsGround();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await ground.reset();
});
afterAll(() => ground.stop());

/** A replica in a process of its own. */
function startProcess() {
  const script = fileURLToPath(new URL("worker-process.ts", import.meta.url));
  const arguments_ = ["--disable-warning=ExperimentalWarning", script, ground.url, ground.service];
  const child = spawn(process.execPath, arguments_, { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  return {
    child,
    says: (what: string) => until(() => output.includes(`${what}\n`)),
    tell: () => child.stdin.write("go\n"),
  };
}

describe("a replica that died", () => {
  it("loses its jobs to the others, queue and all", async () => {
    const dying = startProcess();
    await dying.says("ready");
    const attempts: number[] = [];
    const replica = await ground.openReplica({
      tasks: { work: async (_, { attempt }) => void attempts.push(attempt) },
    });
    await replica.add("work", {}, { queue: "line" });
    await dying.says("begun");
    dying.child.kill("SIGKILL");
    await ground.age();
    await replica.jobs.begin();
    await until(() => attempts.length > 0);
    await until(async () => (await ground.rows()).length === 0);
    expect(attempts).toEqual([2]);
    expect(replica.lines).toEqual(["warn: Jobs of 1 replicas that were not seen for too long were freed"]);
    await replica.jobs.end();
  });
});

describe("a replica that froze and comes back", () => {
  it("has lost its jobs within 30 s, is told before its task goes on, and ends nothing any more", async () => {
    const frozen = startProcess();
    await frozen.says("ready");
    const go = Promise.withResolvers<void>();
    const attempts: number[] = [];
    const replica = await ground.openReplica({
      tasks: {
        async work(_, { attempt }) {
          attempts.push(attempt);
          await go.promise;
        },
      },
    });
    await replica.add("work");
    await frozen.says("begun");
    await replica.jobs.begin();
    frozen.child.kill("SIGSTOP");
    await until(() => attempts.length > 0, 30_000);
    // What the task waits for has come before the process runs again: no timer can be earlier.
    frozen.tell();
    frozen.child.kill("SIGCONT");
    await frozen.says("aborted: true");
    await pause(500);
    expect(await ground.rows()).toMatchObject([{ task: "work", attempts: 2 }]);
    go.resolve();
    await until(async () => (await ground.rows()).length === 0);
    expect(attempts).toEqual([2]);
    // It goes on under another identity.
    await replica.jobs.end();
    await replica.add("work");
    await until(async () => (await ground.rows())[0]?.locked_by !== null);
    frozen.tell();
    await frozen.says("aborted: false");
    await until(async () => (await ground.rows()).length === 0);
  }, 60_000);
});

describe("a replica that was taken for dead by mistake", () => {
  it("tells its running jobs and goes on under another identity", async () => {
    const attempts: number[] = [];
    const aborted: unknown[] = [];
    const replica = await ground.beginReplica({
      tasks: {
        async work(_, { attempt, signal }) {
          attempts.push(attempt);
          if (attempt > 1) return;
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          aborted.push(signal.reason);
          signal.throwIfAborted();
        },
      },
    });
    await replica.add("work");
    await until(() => attempts.length === 1);
    await ground.query(`delete from ${ground.service}_jobs.replicas`);
    await until(() => attempts.length === 2);
    expect(aborted).toEqual([
      expect.objectContaining({ message: expect.stringContaining("away for too long") }),
    ]);
    await until(async () => (await ground.rows()).length === 0);
    await replica.jobs.end();
    expect(replica.lines).toEqual(
      expect.arrayContaining([
        "warn: Jobs: this replica was away for too long; it goes on under a new identity",
      ]),
    );
  });

  it("frees what it holds but does not run, because it never heard of it", async () => {
    const runs: number[] = [];
    const replica = await ground.beginReplica({ tasks: { work: async () => void runs.push(1) } });
    await replica.add("work", {}, { runAt: new Date(Date.now() + 3_000) });
    await ground.query(
      `update ${ground.service}_jobs._private_jobs set attempts = 1, locked_at = now(),
        locked_by = (select id from ${ground.service}_jobs.replicas)`,
    );
    await until(() => runs.length === 1);
    await until(async () => (await ground.rows()).length === 0);
    await replica.jobs.end();
  });
});
