import { beforeAll, describe, expect, it } from "@jest/globals";
import type { AccessToken } from "../../../services/auth/access-token.ts";
import type { Members } from "./tokens.ts";
import { timelyToken as token, verifierOf } from "./verifier.ts";

let verify: (token: string) => Promise<AccessToken>;

beforeAll(async () => {
  verify = await verifierOf();
});

describe("the roles of an access token", () => {
  const many = Array.from({ length: 600 }, (_, index) => `r${index}`);

  it.each<readonly [string, Members, readonly string[]]>([
    ["the realm's", { realm_access: { roles: ["user", "administrator"] } }, ["user", "administrator"]],
    ["those of our client", { resource_access: { butler: { roles: ["administrator"] } } }, ["administrator"]],
    ["no other client's", { resource_access: { account: { roles: ["administrator"] } } }, []],
    [
      "each once",
      { realm_access: { roles: ["user", "user"] }, resource_access: { butler: { roles: ["user", "b"] } } },
      ["user", "b"],
    ],
    ["50 of many", { realm_access: { roles: many } }, many.slice(0, 50)],
    ["none of a text", { realm_access: { roles: "administrator" } }, []],
    ["none of an object", { realm_access: { roles: { administrator: true } } }, []],
    ["none of a number", { realm_access: { roles: 1 } }, []],
    ["none of null", { realm_access: null, resource_access: null }, []],
    ["none of a list of lists", { realm_access: [{ roles: ["administrator"] }] }, []],
    ["none of what every object has", { resource_access: {} }, []],
    [
      "only names",
      { realm_access: { roles: [1, null, {}, ["administrator"], "", "\ud800", "user"] } },
      ["user"],
    ],
    ["only short names", { realm_access: { roles: ["r".repeat(100), "r".repeat(101)] } }, ["r".repeat(100)]],
  ])("are %s", async (_, claims, roles) => {
    expect((await verify(token(claims))).roles).toEqual(roles);
  });

  it.each([
    ["roles", { roles: ["user"] }],
    ["app.roles", { app: { roles: ["user"] } }],
    ["https://api.example/roles", { "https://api.example/roles": ["user"] }],
  ])("come from the claim %s if it is configured", async (rolesClaim, claims) => {
    const verifyThere = await verifierOf({ rolesClaim });
    const realm = { realm_access: { roles: ["administrator"] } };
    expect((await verifyThere(token({ ...claims, ...realm }))).roles).toEqual(["user"]);
  });

  it.each(["constructor", "__proto__.roles", "toString.name"])(
    "are none at the claim %s",
    async (rolesClaim) => {
      const verifyThere = await verifierOf({ rolesClaim, clientId: "constructor" });
      expect((await verifyThere(token({ resource_access: {} }))).roles).toEqual([]);
    },
  );

  it("are none of a client's if no client is configured", async () => {
    const verifyNone = await verifierOf({ clientId: undefined });
    const claims = { resource_access: { undefined: { roles: ["administrator"] } } };
    expect((await verifyNone(token(claims))).roles).toEqual([]);
  });
});
