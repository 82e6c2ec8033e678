import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { type Api, apiOf } from "../../scripts/demo/api.ts";
import { openDevelopmentDatabase } from "../../scripts/demo/development-database.ts";
import { fill } from "../../scripts/demo/fill.ts";
import { historyOf } from "../../scripts/demo/history.ts";
import { report } from "../../scripts/demo/report.ts";
import { writeHistory } from "../../scripts/demo/write-history.ts";
import { startPostgres } from "../../scripts/development/postgres.ts";
import type { Query } from "../../services/common/database/transaction.ts";
import type { Portfolio } from "../../services/portfolios/contract/portfolio.ts";
import type { Recommendations } from "../../services/portfolios/contract/recommendation-members.ts";
import type { Snapshots } from "../../services/portfolios/contract/snapshots.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
let query: Query;
beforeAll(async () => {
  system = await startSystem();
  query = (({ text, values }: pg.QueryConfig) => system.database.query(text, values)) as Query;
});
afterAll(() => system.stop());

async function apiFor(subject: string): Promise<Api> {
  return apiOf(system.url, await system.issuer.token(subject));
}

/** What a user has. */
async function everything(api: Api) {
  const [portfolios, accounts] = await Promise.all([
    api<Portfolio[]>("GET", "/v1/portfolios"),
    api<{ name: string }[]>("GET", "/v1/accounts"),
  ]);
  const found = await Promise.all(
    portfolios.map(async ({ id, name }) => {
      const path = `/v1/portfolios/${id}`;
      const { snapshots, total_count } = await api<Snapshots>("GET", `${path}/snapshots`);
      const { recommendations } = await api<Recommendations>("GET", `${path}/recommendations`);
      const linked = await api<object[]>("GET", `${path}/accounts`);
      const types = [...new Set(snapshots.map(({ snapshot_type }) => snapshot_type))].sort();
      return [name, linked.length, total_count, types, recommendations.map(({ status }) => status)];
    }),
  );
  return { accounts: accounts.map(({ name }) => name).sort(), portfolios: found };
}

describe("the demo", () => {
  it("fills a user, with history; run again, it doubles nothing and touches nothing else", async () => {
    const api = await apiFor("demo-user");
    await api("POST", "/v1/portfolios", { name: "Mine" });
    const run = async () => {
      const filled = await fill(api);
      const drafts = historyOf({ ...filled, days: 40, now: Date.now() });
      return { filled, written: await writeHistory(query, drafts) };
    };
    const first = await run();
    expect(first.written).toBe(40);
    expect(first.filled.allocation.holdings.every(({ unpriced }) => !unpriced)).toBe(true);
    expect(first.filled.recommendation?.proposed_orders.length).toBeGreaterThan(0);
    const made = {
      accounts: ["Cold storage (demo)", "Trading desk (demo)"],
      portfolios: [
        ["Mine", 0, 0, [], []],
        ["Demo portfolio", 2, 41, ["eod", "manual"], ["pending"]],
      ],
    };
    expect(await everything(api)).toEqual(made);

    const second = await run();
    expect(second.written).toBe(0);
    expect(second.filled.recommendation?.id).toBe(first.filled.recommendation?.id);
    expect(await everything(api)).toEqual(made);
  });

  it("marks history as samples, and shows it at the API", async () => {
    const api = await apiFor("demo-reader");
    const filled = await fill(api);
    await writeHistory(query, historyOf({ ...filled, days: 3, now: Date.now() }));
    const path = `/v1/portfolios/${filled.portfolioId}/snapshots?snapshot_type=eod`;
    const { snapshots } = await api<Snapshots>("GET", path);
    expect(snapshots).toHaveLength(3);
    for (const { metadata, snapshot_date } of snapshots) {
      expect(metadata).toMatchObject({ sample: true, snapshot_time: `${snapshot_date}T23:00:00.000Z` });
    }
  });

  it("says what it made, and prints commands whose addresses answer", async () => {
    const api = await apiFor("demo-shown");
    const filled = await fill(api);
    const text = report({
      ...filled,
      url: system.url,
      username: "demo-shown",
      history: { days: 3, written: 3 },
    });
    expect(text).toContain("TOKEN=$(npm run -s token -- demo-shown)");
    const addresses = [...text.matchAll(/curl -H "Authorization: Bearer \$TOKEN" '?([^'\n]+)'?/g)];
    expect(addresses.length).toBeGreaterThan(5);
    for (const [, address] of addresses) await api("GET", (address as string).slice(system.url.length));
  });

  it("says which request was refused, and why", async () => {
    await expect(apiOf(system.url, "none")("GET", "/v1/me")).rejects.toThrow(
      /^GET \/v1\/me was answered 401: .+\.$/,
    );
    await expect(apiOf("http://127.0.0.1:9", "none")("GET", "/v1/me")).rejects.toThrow(
      /^http:\/\/127\.0\.0\.1:9 does not answer/,
    );
  });
});

describe("history", () => {
  it("is not written where the portfolio is not", async () => {
    const filled = await fill(await apiFor("demo-elsewhere"));
    const drafts = historyOf({ ...filled, userId: "019c1378-a83b-7000-8000-000000000000", days: 1, now: 0 });
    await expect(writeHistory(query, drafts)).rejects.toThrow("no history is written anywhere else");
  });

  it("goes into the PostgreSQL that the run has started, and into no other", async () => {
    expect(await openDevelopmentDatabase({ processes: [process.pid] })).toBeUndefined();
    const folder = await mkdtemp(join(tmpdir(), "butler-demo-"));
    const server = await startPostgres({ folder, durable: false });
    try {
      const admin = new pg.Client({ connectionString: server.url });
      await admin.connect();
      await admin.query("create database butler");
      await admin.end();
      const database = await openDevelopmentDatabase({ processes: [process.pid, server.pid] });
      expect(
        await database?.query({ text: "select current_database(), inet_server_port() as port" }),
      ).toEqual([{ current_database: "butler", port: server.port }]);
      await database?.close();
    } finally {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("npm run demo", () => {
  const script = fileURLToPath(new URL("../../scripts/demo.ts", import.meta.url));

  async function run(...args: readonly string[]) {
    const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (errors += chunk));
    const [code] = await once(child, "close");
    return { code, output, errors };
  }

  it("explains itself", async () => {
    const { code, output } = await run("--help");
    expect([code, output]).toEqual([0, expect.stringContaining("npm run demo [-- <username> [options]]")]);
  });

  it("says in one line what is wrong", async () => {
    const { code, errors } = await run("--days", "x");
    expect([code, errors.trim()]).toEqual([1, "--days x: the number must be 0 to 365, as in --days 90"]);
  });
});
