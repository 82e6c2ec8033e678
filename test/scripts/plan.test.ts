import { describe, expect, it } from "@jest/globals";
import { planParts, planProcesses } from "../../scripts/development/plan.ts";

describe("planParts", () => {
  it("embeds everything when nothing is given", () => {
    expect(planParts({}, {})).toEqual({
      databases: ["auth", "users", "portfolios", "accounts", "market"],
      connectionsMax: 520,
      nats: true,
      issuer: true,
      credentialsKeys: true,
    });
  });

  it.each([
    [{ DATABASE_URL: "postgresql://db/butler" }, { databases: [] }],
    [{ DATABASE_URL_FILE: "/run/secrets/url" }, { databases: [] }],
    [{ DATABASE_URL: "" }, { databases: ["auth", "users", "portfolios", "accounts", "market"] }],
    [
      { USERS_DATABASE_URL: "postgresql://db/users" },
      { databases: ["auth", "portfolios", "accounts", "market"] },
    ],
    [{ NATS_URL: "nats://nats:4222" }, { nats: false }],
    [{ OIDC_ISSUER: "https://id.example" }, { issuer: false }],
    [{ OIDC_AUDIENCE: "api" }, { issuer: false }],
    [{ KEYCLOAK_SERVER: "https://id.example" }, { issuer: false }],
    [{ CREDENTIALS_KEYS_FILE: "/run/secrets/keys" }, { credentialsKeys: false }],
  ])("with %j plans %j", (environment, part) => {
    expect(planParts(environment as Record<string, string>, {})).toMatchObject(part);
  });

  it.each([
    [{}, { portfolios: 4 }, 820],
    [{ DB_MAX_CONNECTIONS: "10" }, {}, 400],
    [{ DB_MAX_CONNECTIONS: "300" }, {}, 1520],
    [{ DB_MAX_CONNECTIONS: "300", USERS_DB_MAX_CONNECTIONS: "10" }, { users: 3 }, 1250],
    [{ DB_MAX_CONNECTIONS: "many" }, { users: 4 }, 820],
  ])("with %j and replicas %j, lets the server bear %i connections", (environment, replicas, connections) => {
    const plan = planParts(environment as Record<string, string>, replicas as Record<string, number>);
    expect(plan.connectionsMax).toBe(connections);
  });
});

describe("planProcesses", () => {
  it("gives each service a process, as often as asked, and marks the first ones", () => {
    const processes = planProcesses({ portfolios: 2 }, true);
    expect(processes.map(({ name, services, first }) => [name, services.join(), first])).toEqual([
      ["gateway", "gateway", true],
      ["auth", "auth", true],
      ["users", "users", true],
      ["portfolios", "portfolios", true],
      ["portfolios 2", "portfolios", false],
      ["accounts", "accounts", true],
      ["market", "market", true],
    ]);
  });

  it("puts all services into one process without NATS", () => {
    expect(planProcesses({}, false)).toEqual([
      {
        name: "all services",
        services: ["gateway", "auth", "users", "portfolios", "accounts", "market"],
        first: true,
      },
    ]);
  });
});
