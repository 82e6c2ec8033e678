import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Job, SyncAllReply, SyncReply } from "../../services/accounts/contract/sync.ts";
import type { Account } from "../../services/accounts/contract.ts";
import { type System, startSystem } from "../support/system.ts";
import { checkedProblem, expectProblem, type Send, senderTo } from "./http.ts";

let system: System;
let send: Send;
beforeAll(async () => {
  system = await startSystem();
  send = senderTo(system);
});
afterAll(() => system.stop());

const someone = () => `user-${randomUUID()}`;
/** Without credentials no sync of it can succeed, and nothing leaves for the exchange. */
const exchange = { name: "OKX", account_type: "exchange", exchange_name: "okx" };

async function create(user: string, body: object = exchange): Promise<Account> {
  return (await (await send(user, "POST", "/v1/accounts", { body })).json()) as Account;
}

describe("POST /v1/accounts/{id}/sync", () => {
  it.each(["", "/api"])(
    "answers 202 with what existing clients read, and a job, below '%s'",
    async (prefix) => {
      const user = someone();
      const { id } = await create(user);
      // As they send it: with a content type and without a body.
      const headers = { "Content-Type": "application/json" };
      const reply = await send(user, "POST", `${prefix}/v1/accounts/${id}/sync`, { headers });
      expect(reply.status).toBe(202);
      const sync = SyncReply.parse(await reply.json());
      expect(sync).toMatchObject({
        account_id: id,
        state: "failed",
        success: false,
        error: expect.stringMatching(/\.$/),
        holdings_count: 0,
      });
      const job = await send(user, "GET", `${prefix}/v1/jobs/${sync.job_id}`);
      expect(job.status).toBe(200);
      expect(Job.parse(await job.json())).toMatchObject({
        id: sync.job_id,
        account_id: id,
        success: false,
        error: sync.error,
        holdings_count: 0,
      });
      const account = (await (await send(user, "GET", `/v1/accounts/${id}`)).json()) as Account;
      expect(account).toMatchObject({ stale: true, last_sync_error: sync.error });
      expect(account).not.toHaveProperty("holdings");
      expect(account).not.toHaveProperty("last_synced_at");
    },
  );

  it("refuses with 409 what cannot be synced, saying what to do", async () => {
    const user = someone();
    const manual = await create(user, { name: "By hand", account_type: "manual" });
    const reply = await send(user, "POST", `/v1/accounts/${manual.id}/sync`);
    const { detail } = await expectProblem(reply, "ACCOUNT_NOT_SYNCABLE", 409);
    expect(detail).toMatch(/holdings/);
    const idle = await create(user);
    await send(user, "PUT", `/v1/accounts/${idle.id}`, { body: { is_active: false } });
    await expectProblem(
      await send(user, "POST", `/v1/accounts/${idle.id}/sync`),
      "ACCOUNT_NOT_SYNCABLE",
      409,
    );
  });

  it("refuses a body, as far as there is something in it, and an id that is none", async () => {
    const user = someone();
    const { id } = await create(user);
    const body = { force: true };
    const refused = await send(user, "POST", `/v1/accounts/${id}/sync`, { body });
    await expectProblem(refused, "VALIDATION_FAILED", 400, ["/force"]);
    await expectProblem(await send(user, "POST", "/v1/accounts/x/sync"), "VALIDATION_FAILED", 400, ["/id"]);
  });
});

describe("POST /v1/accounts/sync-all", () => {
  it("answers 202 with a job for each active account", async () => {
    const user = someone();
    const { id } = await create(user);
    await create(user, { name: "By hand", account_type: "manual" });
    const reply = await send(user, "POST", "/v1/accounts/sync-all");
    expect(reply.status).toBe(202);
    const { account_count, job_ids } = SyncAllReply.parse(await reply.json());
    expect([account_count, job_ids.length]).toEqual([1, 1]);
    const job = await send(user, "GET", `/v1/jobs/${job_ids[0]}`);
    expect(await job.json()).toMatchObject({ account_id: id });
  });
});

describe("someone else's account or job", () => {
  it("is answered with the very bytes of one that does not exist", async () => {
    const [owner, stranger] = [someone(), someone()];
    const { id } = await create(owner);
    const sync = SyncReply.parse(await (await send(owner, "POST", `/v1/accounts/${id}/sync`)).json());
    for (const [method, path, code] of [
      ["POST", (target: string) => `/v1/accounts/${target}/sync`, "ACCOUNT_NOT_FOUND"],
      ["GET", (target: string) => `/v1/jobs/${target}`, "JOB_NOT_FOUND"],
    ] as const) {
      const own = method === "POST" ? id : sync.job_id;
      const [foreign, unknown] = await Promise.all(
        [own, randomUUID()].map((target) => send(stranger, method, path(target))),
      );
      const bytes = await foreign?.text();
      expect([foreign?.status, bytes]).toEqual([404, await unknown?.text()]);
      checkedProblem(bytes as string, code, 404);
    }
  });
});
