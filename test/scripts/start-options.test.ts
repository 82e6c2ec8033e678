import { describe, expect, it } from "@jest/globals";
import { help, parseStartOptions } from "../../scripts/development/start-options.ts";

describe("parseStartOptions", () => {
  it.each([
    [[], {}],
    [["--replicas", "portfolios=3"], { portfolios: 3 }],
    [["--replicas=portfolios=3", "--replicas", "users=2"], { portfolios: 3, users: 2 }],
    [["--replicas", "portfolios=3,users=2, auth=2"], { portfolios: 3, users: 2, auth: 2 }],
  ])("reads %j", (args, replicas) => {
    expect(parseStartOptions(args as string[])).toEqual({ help: false, replicas });
  });

  it.each([["--help"], ["-h"]])("knows %s", (flag) => {
    expect(parseStartOptions([flag])).toEqual({ help: true });
  });

  it.each([
    [["--replica", "users=2"], "Unknown option '--replica'. See: npm start -- --help"],
    [["users"], "See: npm start -- --help"],
    [["--replicas"], "See: npm start -- --help"],
    [["--replicas", "gateway=2"], "behind a load balancer"],
    [
      ["--replicas", "orders=2"],
      'there is no service "orders", only auth, users, portfolios, accounts, market',
    ],
    [["--replicas", "users"], "the number must be 1 to 16, as in --replicas users=3"],
    [["--replicas", "users=0"], "the number must be 1 to 16"],
    [["--replicas", "users=17"], "the number must be 1 to 16"],
    [["--replicas", "users=2.5"], "the number must be 1 to 16"],
  ])("refuses %j and says what would be right", (args, message) => {
    expect(() => parseStartOptions(args as string[])).toThrow(message as string);
  });
});

describe("help", () => {
  it.each([
    "--replicas",
    "DATABASE_URL",
    "NATS_URL",
    "OIDC_ISSUER",
    "OIDC_AUDIENCE",
    "KEYCLOAK_SERVER",
    "KEYCLOAK_REALM",
    "KEYCLOAK_AUDIENCE",
    "SERVER_PORT",
    "npm run -s token",
  ])("tells of %s", (word) => {
    expect(help).toContain(word);
  });
});
