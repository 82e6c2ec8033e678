import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { until } from "../common/database/pools.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ replicas: { portfolios: 2 } });
});
afterAll(() => system.stop());

describe("snapshots, over all services", () => {
  it("keep what accounts held at sample prices, say so, and are exported; the schedule's come once", async () => {
    const user = `user-${randomUUID()}`;
    const request = async (method: string, path: string, body?: unknown) => {
      const reply = await system.request(user, method, path, body);
      expect(reply.status).toBeLessThan(300);
      return JSON.parse(await reply.text());
    };
    const account = await request("POST", "/v1/accounts", { name: "By hand", account_type: "manual" });
    await request("PUT", `/v1/accounts/${account.id}/holdings`, [{ asset: "BTC", quantity: "2" }]);
    const { id } = await request("POST", "/v1/portfolios", { name: "Main" });
    await request("POST", `/v1/portfolios/${id}/accounts`, { account_id: account.id });
    const path = `/v1/portfolios/${id}/snapshots`;
    const taken = await request("POST", path);
    expect(taken).toMatchObject({ success: true, holdings_count: 1 });
    const latest = await request("GET", `${path}/latest`);
    expect(latest).toMatchObject({ id: taken.snapshot_id, metadata: { sample: true } });

    const due = new Date().toISOString();
    await system.database.query(
      "select from portfolios_jobs.add_job('planEndOfDaySnapshots', json_build_object('due', $1::text))",
      [due],
    );
    await until(async () => (await request("GET", `${path}?snapshot_type=eod`)).total_count === 1);
    const { snapshots } = await request("GET", path);
    expect(snapshots.map(({ snapshot_type }: { snapshot_type: string }) => snapshot_type)).toEqual([
      "eod",
      "manual",
    ]);
    const exported = (await request("GET", "/v1/me/export")) as { kind: string; snapshot?: unknown }[];
    expect(exported.filter(({ kind }) => kind === "snapshot").map(({ snapshot }) => snapshot)).toEqual(
      snapshots.toReversed(),
    );
  });
});
