import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { startPostgres } from "../../scripts/development/postgres.ts";
import { isRunning } from "../../scripts/development/processes.ts";

const module = new URL("../../scripts/development/postgres.ts", import.meta.url).href;
let folder: string;
let log: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "butler-postgres-"));
  log = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function start(settings: Record<string, string> = {}) {
  return startPostgres({ folder, durable: false, settings, log: (line) => log.push(line) });
}

async function query(url: string, sql: string): Promise<pg.QueryResultRow[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Starts PostgreSQL on the folder from a process of its own, and kills that process. */
async function abandonServer(): Promise<{ url: string; pid: number }> {
  const program = `
    const { startPostgres } = await import(${JSON.stringify(module)});
    const { url, pid } = await startPostgres({ folder: ${JSON.stringify(folder)}, durable: false });
    console.log(JSON.stringify({ url, pid }));`;
  const owner = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(owner.stdout, "data");
  owner.kill("SIGKILL");
  await once(owner, "exit");
  return JSON.parse(String(line));
}

describe("startPostgres", () => {
  it("keeps its data and its password between runs, with the settings it is given", async () => {
    const first = await start({ max_connections: "23" });
    expect(await query(first.url, "show max_connections")).toEqual([{ max_connections: "23" }]);
    await query(first.url, "create table kept as select 42 as answer");
    await first.stop();
    expect(await isRunning(first.pid)).toBe(false);
    const second = await start();
    expect(await query(second.url, "select answer from kept")).toEqual([{ answer: 42 }]);
    expect(new URL(second.url).password).toBe(new URL(first.url).password);
    expect((await stat(join(folder, "password"))).mode & 0o777).toBe(0o600);
    await second.stop();
  });

  it("listens on 127.0.0.1 alone, and refuses a wrong password", async () => {
    const server = await start();
    expect(await query(server.url, "show listen_addresses")).toEqual([{ listen_addresses: "127.0.0.1" }]);
    const wrong = new URL(server.url);
    wrong.password = "wrong";
    await expect(query(wrong.href, "select 1")).rejects.toThrow("password authentication failed");
    await server.stop();
  });

  it("takes over from the server that a killed run left behind, with its data", async () => {
    const abandoned = await abandonServer();
    await query(abandoned.url, "create table kept as select 42 as answer");
    const server = await start();
    expect(log.join()).toContain(`process ${abandoned.pid}`);
    expect(await isRunning(abandoned.pid)).toBe(false);
    expect(await query(server.url, "select answer from kept")).toEqual([{ answer: 42 }]);
    await server.stop();
  });

  it("starts after a server that was killed itself", async () => {
    const abandoned = await abandonServer();
    process.kill(abandoned.pid, "SIGKILL");
    const server = await start();
    expect(await query(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
    await server.stop();
  });

  it("leaves a program alone that has the process id of a server long dead", async () => {
    const first = await start();
    const file = join(folder, "data", "postmaster.pid");
    const text = await readFile(file, "utf8");
    await first.stop();
    const innocent = spawn("sleep", ["60"]);
    await writeFile(file, text.replace(String(first.pid), String(innocent.pid)));
    const server = await start();
    expect(innocent.exitCode ?? innocent.signalCode).toBeNull();
    await server.stop();
    innocent.kill();
  });

  it("says why when it cannot start", async () => {
    await expect(start({ shared_buffers: "nonsense" })).rejects.toThrow(
      /did not start on .*invalid value for parameter "shared_buffers"/s,
    );
  });

  it("works below a folder that only the starting user can enter", async () => {
    const hidden = join(folder, "postgres");
    const server = await startPostgres({ folder: hidden, durable: false, log: (line) => log.push(line) });
    expect(await query(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
    await server.stop();
    // Root's PostgreSQL runs as another user, so the data had to go elsewhere, and the log says where.
    const elsewhere = /the data is in (\S+)/.exec(log.join("\n"))?.[1];
    expect(elsewhere !== undefined).toBe(process.getuid?.() === 0);
    if (elsewhere !== undefined) await rm(dirname(elsewhere), { recursive: true });
  });
});
