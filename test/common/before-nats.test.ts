import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { type NatsServer, startNatsServer } from "../../scripts/development/nats-server.ts";
import { freePort } from "../../scripts/development/processes.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";

// A real process whose NATS server is not there: not yet, or not any more.

const MAIN = fileURLToPath(new URL("../../services/main.ts", import.meta.url));
const binary = process.env.TEST_NATS_BINARY as string;
/** Two seconds are promised; the rest is for a machine that is busy with other tests. */
const BACK_WITHIN_MS = 4_000;

let database: TestDatabase;
let nats: NatsServer | undefined;
let child: ChildProcess | undefined;
beforeAll(async () => {
  database = await cloneDatabase();
});
afterEach(async () => {
  child?.kill("SIGKILL");
  await nats?.stop();
});
afterAll(() => database.drop());

/** Starts one, and does not wait for anything. */
async function start(natsPort: number) {
  const metricsPort = await freePort();
  const started = fork(MAIN, ["market"], {
    env: {
      PATH: process.env.PATH,
      NATS_URL: `nats://127.0.0.1:${natsPort}`,
      NATS_NAMESPACE: `test-${randomBytes(6).toString("hex")}`,
      DATABASE_URL: database.url,
      METRICS_HOST: "127.0.0.1",
      METRICS_PORT: String(metricsPort),
      OUTGOING_HOSTS: "nowhere.invalid",
      FETCH_ALL_COINS_ENABLED: "false",
    },
    execArgv: [],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  child = started;
  let output = "";
  for (const stream of [started.stdout, started.stderr]) stream?.on("data", (chunk) => (output += chunk));
  const url = `http://127.0.0.1:${metricsPort}`;
  return { process: started, exited: once(started, "exit"), url, output: () => output };
}

async function statusOf(url: string): Promise<number> {
  return fetch(url).then(
    ({ status }) => status,
    () => 0,
  );
}

async function untilStatus(url: string, status: number, limitMs = 20_000): Promise<void> {
  const end = performance.now() + limitMs;
  while ((await statusOf(url)) !== status) {
    if (performance.now() > end) throw new Error(`${url} did not answer ${status} within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("a process that has not reached NATS yet", () => {
  it("is alive and not ready, says what it waits for, and is ready soon after NATS is there", async () => {
    const port = await freePort();
    const { url, output } = await start(port);
    await untilStatus(`${url}/health`, 200);
    const waiting = await fetch(`${url}/ready`);
    expect(waiting.status).toBe(503);
    expect(await waiting.json()).toMatchObject({ reason: "starting" });
    while (!output().includes("NATS cannot be reached")) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await statusOf(`${url}/health`)).toBe(200);
    nats = await startNatsServer({ binary, port });
    await untilStatus(`${url}/ready`, 200, BACK_WITHIN_MS);
  });

  it("ends with 0 when it is told to", async () => {
    const { process: started, exited, url, output } = await start(await freePort());
    await untilStatus(`${url}/health`, 200);
    while (!output().includes("NATS cannot be reached")) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    started.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
    expect(output()).toContain("pools closed, exit 0");
  });
});

describe("a process whose NATS is gone", () => {
  it.each(["killed", "frozen"])("(%s) ends in the usual order, and with 0", async (fault) => {
    nats = await startNatsServer({ binary });
    const { process: started, exited, url, output } = await start(Number(new URL(nats.url).port));
    await untilStatus(`${url}/ready`, 200);
    process.kill(nats.pid, fault === "killed" ? "SIGKILL" : "SIGSTOP");
    await untilStatus(`${url}/ready`, 503);
    started.kill("SIGTERM");
    const ended = await exited;
    if (fault === "frozen") process.kill(nats.pid, "SIGCONT");
    expect([ended, output()]).toEqual([[0, null], expect.stringContaining("pools closed, exit 0")]);
    const steps = ["not ready any more", "taking no more requests", "left the broker", "pools closed"];
    const positions = steps.map((step) => output().indexOf(step));
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
  });
});
