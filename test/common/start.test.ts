import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";

const MAIN = fileURLToPath(new URL("../../services/main.ts", import.meta.url));

let database: TestDatabase;
beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.drop());

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts services in a process that is expected to end by itself. */
async function run(
  services: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Ended> {
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: database.url,
    METRICS_HOST: "127.0.0.1",
    METRICS_PORT: "0",
    ...environment,
  };
  return promisify(execFile)(process.execPath, [MAIN, ...services], { env, timeout: 20_000 }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Ended) => error,
  );
}

async function connectionsOf(service: string): Promise<number> {
  const rows = await database.query(
    "select pid from pg_stat_activity where application_name = $1 and datname = current_database()",
    [service],
  );
  return rows.length;
}

describe("node services/main.ts", () => {
  it("ends with 1, names each wrong variable, and opens nothing", async () => {
    const environment = {
      PORTFOLIOS_DB_MAX_CONNECTIONS: "many",
      DB_IDLE_TIMEOUT_SECS: "0",
      LOG_LEVEL: "loud",
    };
    const running = run(["portfolios"], environment);
    let ended: Ended | undefined;
    running.then((result) => {
      ended = result;
    });
    while (ended === undefined) expect(await connectionsOf("portfolios")).toBe(0);
    expect(ended.code).toBe(1);
    expect(ended.stdout).toBe("");
    expect(ended.stderr.split("\n")).toEqual([
      'LOG_LEVEL must be fatal, error, warn, info, debug or trace, but is "loud".',
      'PORTFOLIOS_DB_MAX_CONNECTIONS must be a whole number from 1 to 10000, but is "many".',
      'DB_IDLE_TIMEOUT_SECS must be a whole number from 1 to 86400, but is "0".',
      "",
    ]);
  });

  it("ends with 1 when the minimum is above the maximum", async () => {
    const { code, stderr } = await run(["portfolios"], { DB_MIN_CONNECTIONS: "9", DB_MAX_CONNECTIONS: "8" });
    expect(code).toBe(1);
    expect(stderr).toContain(
      "DB_MIN_CONNECTIONS (9) must not be above DB_MAX_CONNECTIONS (8) for portfolios",
    );
  });

  it("ends with 1 when the database refuses, and prints no password", async () => {
    const url = new URL(database.url);
    url.port = "1";
    url.password = "s3cret";
    const { code, stdout, stderr } = await run(["portfolios"], { DATABASE_URL: url.href });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Could not start: The database cannot be reached\. .*ECONNREFUSED/);
    expect(stdout + stderr).not.toContain("s3cret");
  });

  it("ends with 1 and says which services there are when it is asked for another", async () => {
    const { code, stderr } = await run(["portfolio"], {});
    expect(code).toBe(1);
    expect(stderr).toContain('There is no service "portfolio"');
    expect(stderr).toContain("portfolios");
  });
});
