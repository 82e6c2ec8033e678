import { describe, expect, it } from "@jest/globals";
import { readDatabaseSettings } from "../../../services/common/database/config.ts";
import { faultsOf } from "../faults.ts";

describe("readDatabaseSettings", () => {
  const url = "postgres://somebody:s3cret@db.example/butler";

  it("has the values of the README where nothing is set", () => {
    expect(readDatabaseSettings("portfolios", { DATABASE_URL: url })).toEqual({
      service: "portfolios",
      url,
      maxConnections: 100,
      minConnections: 5,
      connectTimeoutSeconds: 30,
      acquireTimeoutSeconds: 30,
      idleTimeoutSeconds: 600,
      maxLifetimeSeconds: 1800,
      migrateOnStart: false,
    });
  });

  const counts = ["DB_MAX_CONNECTIONS", "DB_MIN_CONNECTIONS"];
  const times = ["CONNECT_TIMEOUT", "ACQUIRE_TIMEOUT", "IDLE_TIMEOUT", "MAX_LIFETIME"].map(
    (name) => `DB_${name}_SECS`,
  );
  const names = [...counts, ...times];
  const wrong = names.flatMap((name) =>
    ["0", "-1", "1.5", "many", "99999999"].map((value) => [name, value] as const),
  );
  it.each(wrong)("refuses %s=%s, and names it", (name, value) => {
    const read = (variable: string) =>
      faultsOf(() => readDatabaseSettings("portfolios", { DATABASE_URL: url, [variable]: value }));
    expect(read(name)).toEqual([
      expect.stringMatching(
        new RegExp(`^${name} must be a whole number from 1 to \\d+, but is "${value}"\\.$`),
      ),
    ]);
    expect(read(`PORTFOLIOS_${name}`)[0]).toMatch(new RegExp(`^PORTFOLIOS_${name} `));
  });

  it("refuses a minimum above the maximum, and names both", () => {
    const environment = { DATABASE_URL: url, DB_MIN_CONNECTIONS: "6", PORTFOLIOS_DB_MAX_CONNECTIONS: "5" };
    const faults = faultsOf(() => readDatabaseSettings("portfolios", environment));
    expect(faults.join()).toContain(
      "DB_MIN_CONNECTIONS (6) must not be above DB_MAX_CONNECTIONS (5) for portfolios",
    );
    expect(readDatabaseSettings("users", environment)).toMatchObject({
      minConnections: 6,
      maxConnections: 100,
    });
    expect(
      faultsOf(() => readDatabaseSettings("users", { DATABASE_URL: url, DB_MAX_CONNECTIONS: "4" })).join(),
    ).toContain("The minimum is 5 unless set.");
  });

  it("takes a minimum that is the maximum", () => {
    const environment = { DATABASE_URL: url, DB_MIN_CONNECTIONS: "1", DB_MAX_CONNECTIONS: "1" };
    expect(readDatabaseSettings("users", environment)).toMatchObject({
      minConnections: 1,
      maxConnections: 1,
    });
  });

  it("refuses a wrong URL without printing it", () => {
    const faults = faultsOf(() =>
      readDatabaseSettings("users", { DATABASE_URL: "mysql://somebody:s3cret@db.example" }),
    );
    expect(faults).toEqual(["DATABASE_URL must be a URL that starts with postgres:// or postgresql://."]);
    expect(faultsOf(() => readDatabaseSettings("users", {}))[0]).toMatch(
      /^DATABASE_URL is not set: must be a URL/,
    );
  });
});
