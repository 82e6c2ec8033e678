import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import auth from "../../services/auth/auth.service.ts";
import { AccountLink, LinkedAccount } from "../../services/portfolios/contract/links.ts";
import portfolios from "../../services/portfolios/portfolios.service.ts";
import users from "../../services/users/users.service.ts";
import { Neighbours } from "../portfolios/valued-services.ts";
import { expectProblem, type Send, senderTo } from "./http.ts";
import { type InProcess, startGateway } from "./in-process.ts";

const neighbours = new Neighbours();
let services: InProcess;
let send: Send;

beforeAll(async () => {
  services = await startGateway([auth, users, ...neighbours.modules, portfolios]);
  send = senderTo(services);
});
afterAll(() => services.stop());

async function someone(...names: readonly string[]) {
  const user = `user-${randomUUID()}`;
  const { id: userId } = (await (await send(user, "GET", "/v1/me")).json()) as { id: string };
  const created = await send(user, "POST", "/v1/portfolios", { body: { name: "Main" } });
  const { id } = (await created.json()) as { id: string };
  const accounts = names.map((name) => neighbours.account(userId, [["BTC", "1"]], { name }));
  return { user, userId, id, accounts, path: `/v1/portfolios/${id}/accounts` };
}

async function linked(user: string, path: string): Promise<string[]> {
  const reply = await send(user, "GET", path);
  expect(reply.status).toBe(200);
  return LinkedAccount.array()
    .parse(await reply.json())
    .map(({ name }) => name);
}

describe("POST /v1/portfolios/{id}/accounts", () => {
  it("answers 201 with the link and its address, and 400 the second time", async () => {
    const { user, id, accounts, path } = await someone("One");
    const body = { account_id: accounts[0] };
    const reply = await send(user, "POST", `/api${path}`, { body });
    expect(reply.status).toBe(201);
    const link = AccountLink.parse(await reply.json());
    expect(link).toMatchObject({ portfolio_id: id, account_id: accounts[0] });
    expect(reply.headers.get("location")).toBe(`/api${path}/${accounts[0]}`);
    await expectProblem(await send(user, "POST", path, { body }), "ACCOUNT_ALREADY_LINKED", 400);
    expect(await linked(user, path)).toEqual(["One"]);
  });

  it("answers another's account with the bytes of one that is not there", async () => {
    const { user, path } = await someone();
    const foreign = (await someone("Foreign")).accounts[0];
    const bodies = await Promise.all(
      [foreign, randomUUID()].map(async (account_id) => {
        const reply = await send(user, "POST", path, { body: { account_id } });
        expect(reply.status).toBe(404);
        return reply.text();
      }),
    );
    expect(bodies[0]).toBe(bodies[1]);
    expect(await linked(user, path)).toEqual([]);
  });
});

describe("PUT /v1/portfolios/{id}/accounts", () => {
  it("replaces the set, folding duplicates, and may empty it", async () => {
    const { user, accounts, path } = await someone("One", "Two");
    const put = (account_ids: unknown) => send(user, "PUT", path, { body: { account_ids } });
    const reply = await put([...accounts, accounts[0]?.toUpperCase()]);
    expect(reply.status).toBe(200);
    expect(LinkedAccount.array().parse(await reply.json())).toEqual([
      {
        id: accounts[0],
        name: "One",
        account_type: "manual",
        exchange_name: null,
        wallet_address: null,
        is_active: true,
        last_synced_at: null,
        created_at: expect.any(String),
        updated_at: expect.any(String),
      },
      expect.objectContaining({ id: accounts[1], name: "Two" }),
    ]);
    expect(await (await put([])).json()).toEqual([]);
    expect(await linked(user, path)).toEqual([]);
  });

  it("changes nothing when one of them is another's", async () => {
    const { user, accounts, path } = await someone("One", "Two");
    const foreign = (await someone("Foreign")).accounts[0];
    await send(user, "PUT", path, { body: { account_ids: [accounts[0]] } });
    const reply = await send(user, "PUT", path, { body: { account_ids: [accounts[1], foreign] } });
    await expectProblem(reply, "ACCOUNT_NOT_FOUND", 404, ["/account_ids/1"]);
    expect(await linked(user, path)).toEqual(["One"]);
  });
});

describe("GET and DELETE of a portfolio's accounts", () => {
  it("pages with a Link header", async () => {
    const { user, accounts, path } = await someone("One", "Two", "Three");
    await send(user, "PUT", path, { body: { account_ids: accounts } });
    const first = await send(user, "GET", `${path}?limit=2`);
    expect(((await first.json()) as { name: string }[]).map(({ name }) => name)).toEqual(["One", "Two"]);
    const next = /^<(.+)>; rel="next"$/.exec(first.headers.get("link") ?? "")?.[1] as string;
    expect(await linked(user, next)).toEqual(["Three"]);
  });

  it("answers 204 without a body, then 404", async () => {
    const { user, accounts, path } = await someone("One");
    await send(user, "PUT", path, { body: { account_ids: accounts } });
    const headers = { "Content-Type": "application/json" };
    const gone = await send(user, "DELETE", `${path}/${accounts[0]}`, { headers });
    expect([gone.status, await gone.text()]).toEqual([204, ""]);
    await expectProblem(await send(user, "DELETE", `${path}/${accounts[0]}`), "ACCOUNT_NOT_LINKED", 404);
  });
});

describe("bad input about a portfolio's accounts", () => {
  const id = "00000000-0000-4000-8000-000000000000";
  it.each([
    ["POST", {}, ["/account_id"]],
    ["POST", { account_id: "42" }, ["/account_id"]],
    ["POST", { account_id: null }, ["/account_id"]],
    ["POST", { account_id: id, user_id: id }, ["/user_id"]],
    ["POST", { account_id: id, id }, ["/id"]],
    ["POST", { account_id: [id] }, ["/account_id"]],
    ["POST", { account_id: id, added_at: "2026-01-31T09:30:00.000Z" }, ["/added_at"]],
    ["PUT", {}, ["/account_ids"]],
    ["PUT", { account_ids: null }, ["/account_ids"]],
    ["PUT", { account_ids: id }, ["/account_ids"]],
    ["PUT", { account_ids: [id, "42"] }, ["/account_ids/1"]],
    ["PUT", { account_ids: Array(101).fill(id) }, ["/account_ids"]],
    ["PUT", { account_ids: [], portfolio_id: id }, ["/portfolio_id"]],
  ])("%s %j is refused at %j, and nothing changes", async (method, body, pointers) => {
    const { user, accounts, path } = await someone("One");
    await send(user, "PUT", path, { body: { account_ids: accounts } });
    await expectProblem(await send(user, method, path, { body }), "VALIDATION_FAILED", 400, pointers);
    expect(await linked(user, path)).toEqual(["One"]);
  });

  it.each(["POST", "PUT"])("%s without a body is refused", async (method) => {
    const { user, path } = await someone();
    await expectProblem(await send(user, method, path), "MALFORMED_JSON", 400);
  });

  it("a bad account id in the address is refused", async () => {
    const { user, path } = await someone();
    await expectProblem(await send(user, "DELETE", `${path}/42`), "VALIDATION_FAILED", 400, ["/account_id"]);
  });

  it.each([
    ["GET", ""],
    ["POST", ""],
    ["PUT", ""],
    ["DELETE", `/${id}`],
  ])("%s at a portfolio of someone else answers the bytes of one that is not there", async (method, rest) => {
    const { id: foreign, accounts } = await someone("One");
    const stranger = `user-${randomUUID()}`;
    const body =
      method === "POST" ? { account_id: accounts[0] } : method === "PUT" ? { account_ids: [] } : undefined;
    const bodies = await Promise.all(
      [foreign, randomUUID()].map(async (portfolio) => {
        const path = `/v1/portfolios/${portfolio}/accounts${rest}`;
        const reply = await send(stranger, method, path, body ? { body } : {});
        expect(reply.status).toBe(404);
        return reply.text();
      }),
    );
    expect(bodies[0]).toBe(bodies[1]);
  });
});
