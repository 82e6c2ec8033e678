import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import auth from "../../services/auth/auth.service.ts";
import { Portfolio } from "../../services/portfolios/contract/portfolio.ts";
import portfolios from "../../services/portfolios/portfolios.service.ts";
import users from "../../services/users/users.service.ts";
import { type Send, senderTo } from "./http.ts";
import { type InProcess, startGateway } from "./in-process.ts";

let services: InProcess;
let send: Send;

beforeAll(async () => {
  services = await startGateway([auth, users, portfolios]);
  send = senderTo(services);
});
afterAll(() => services.stop());

function someone(): string {
  return `user-${randomUUID()}`;
}

async function create(user: string, body: object): Promise<Portfolio> {
  const reply = await send(user, "POST", "/v1/portfolios", { body });
  expect(reply.status).toBe(201);
  return Portfolio.parse(await reply.json());
}

describe("GET /v1/portfolios", () => {
  it.each([
    ["", 1],
    ["", 7],
    ["/api", 10],
  ])(
    "goes through all pages of a list below '%s', %d at a time, without loss or repetition",
    async (prefix, limit) => {
      const user = someone();
      const created: Portfolio[] = [];
      for (let index = 0; index < 20; index += 1) created.push(await create(user, { name: `${index}` }));
      const sizes: number[] = [];
      const found: Portfolio[] = [];
      for (let next: string | undefined = `${prefix}/v1/portfolios?limit=${limit}`; next; ) {
        const reply = await send(user, "GET", next);
        const page = Portfolio.array().parse(await reply.json());
        sizes.push(page.length);
        found.push(...page);
        next = /^<(.+)>; rel="next"$/.exec(reply.headers.get("link") ?? "")?.[1];
        if (next)
          expect(next).toMatch(new RegExp(`^${prefix}/v1/portfolios\\?limit=${limit}&cursor=[\\w-]+$`));
      }
      expect(found).toEqual(created);
      expect(sizes).toEqual([...Array(Math.ceil(20 / limit) - 1).fill(limit), 20 % limit || limit]);
    },
  );

  it("answers the oldest first, all of them, when no limit is given", async () => {
    const user = someone();
    for (const name of ["b", "a", "c"]) await create(user, { name });
    const reply = await send(user, "GET", "/v1/portfolios");
    expect(reply.headers.get("link")).toBeNull();
    expect(((await reply.json()) as Portfolio[]).map(({ name }) => name)).toEqual(["b", "a", "c"]);
  });

  it("keeps a page's place while portfolios come and go", async () => {
    const user = someone();
    const [first, second, third] = [
      await create(user, { name: "1" }),
      await create(user, { name: "2" }),
      await create(user, { name: "3" }),
    ];
    const page = await send(user, "GET", "/v1/portfolios?limit=2");
    const next = /<(.+)>/.exec(page.headers.get("link") ?? "")?.[1] as string;
    for (const { id } of [first, second]) await send(user, "DELETE", `/v1/portfolios/${id}`);
    const fourth = await create(user, { name: "4" });
    expect(await (await send(user, "GET", next)).json()).toEqual([third, fourth]);
  });
});
