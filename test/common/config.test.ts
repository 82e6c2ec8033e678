import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { readProcessConfig } from "../../services/common/broker-config.ts";
import {
  type Environment,
  flag,
  port,
  positiveInteger,
  readSettings,
  text,
  url,
  variable,
  wholeNumber,
} from "../../services/common/config.ts";
import { faultsOf } from "./faults.ts";

const folder = mkdtempSync(join(tmpdir(), "config-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(content: string): string {
  const file = join(folder, `secret-${Math.random()}`);
  writeFileSync(file, content);
  return file;
}

const variables = {
  size: variable("SIZE", positiveInteger(3, 100), "How large."),
  name: variable("NAME", text("nobody"), "Whose."),
  password: variable("PASSWORD", z.string("must be a password").min(8, "must have 8 characters"), "Secret.", {
    secret: true,
  }),
} as const;

const right = { PASSWORD: "long enough" };

describe("readSettings", () => {
  it("reads what is set, and falls back where nothing is", () => {
    expect(readSettings(variables, { ...right, SIZE: "7" })).toEqual({
      size: 7,
      name: "nobody",
      password: "long enough",
    });
  });

  it("takes an empty variable for an absent one", () => {
    expect(readSettings(variables, { ...right, SIZE: "", NAME: "" })).toMatchObject({
      size: 3,
      name: "nobody",
    });
    expect(faultsOf(() => readSettings(variables, { PASSWORD: "" }))).toEqual([
      "PASSWORD is not set: must be a password.",
    ]);
  });

  it("prefers the variable with the service's prefix, which also may be empty", () => {
    const environment = { ...right, SIZE: "7", USERS_SIZE: "8", PORTFOLIOS_SIZE: "" };
    expect(readSettings(variables, environment, "USERS").size).toBe(8);
    expect(readSettings(variables, environment, "PORTFOLIOS").size).toBe(7);
    expect(readSettings(variables, environment).size).toBe(7);
  });

  it("reads a secret from the file that <NAME>_FILE names, without the line's end", () => {
    const environment = { PASSWORD_FILE: fileOf("from a file\n") };
    expect(readSettings(variables, environment).password).toBe("from a file");
    expect(readSettings(variables, { ...environment, ...right }).password).toBe("long enough");
    const prefixed = { ...right, USERS_PASSWORD_FILE: fileOf("of the users") };
    expect(readSettings(variables, prefixed, "USERS").password).toBe("of the users");
  });

  it("reads only secrets from files", () => {
    expect(readSettings(variables, { ...right, NAME_FILE: fileOf("somebody") }).name).toBe("nobody");
  });

  it("names the variable of a file that cannot be read, and it alone", () => {
    const faults = faultsOf(() => readSettings(variables, { PASSWORD_FILE: join(folder, "missing") }));
    expect(faults).toEqual([expect.stringMatching(/^PASSWORD_FILE: ENOENT/)]);
  });

  it("names every variable at fault, as it was set, with what it must be and what it was", () => {
    const environment = { USERS_SIZE: "many", NAME: "x".repeat(501), PASSWORD: "short" };
    expect(faultsOf(() => readSettings(variables, environment, "USERS"))).toEqual([
      'USERS_SIZE must be a whole number from 1 to 100, but is "many".',
      `NAME must have at most 500 characters, but is "${"x".repeat(100)}".`,
      "PASSWORD must have 8 characters.",
    ]);
  });

  it("prints no secret, wherever it came from", () => {
    const file = fileOf("s3cret");
    for (const environment of [{ PASSWORD: "s3cret" }, { PASSWORD_FILE: file }] as Environment[]) {
      expect(faultsOf(() => readSettings(variables, environment)).join()).not.toContain("s3cret");
    }
  });

  it("answers an object that cannot be changed", () => {
    expect(Object.isFrozen(readSettings(variables, right))).toBe(true);
  });
});

describe("the kinds of settings", () => {
  const read = (schema: z.ZodType, value: string) =>
    readSettings({ it: variable("IT", schema, "") }, { IT: value }).it;

  it.each<[string, z.ZodType, string, unknown]>([
    ["positiveInteger", positiveInteger(1), "1", 1],
    ["positiveInteger", positiveInteger(1), "1000000", 1_000_000],
    ["wholeNumber", wholeNumber(1), "0", 0],
    ["port", port(80), "65535", 65_535],
    ["flag", flag(false), "true", true],
    ["flag", flag(true), "false", false],
    ["url", url("https", "http"), "http://a.example/b?c#d", "http://a.example/b?c#d"],
    ["text", text(""), " as it is ", " as it is "],
  ])("%s takes %#: %s", (_, schema, value, result) => {
    expect(read(schema, value as string)).toBe(result);
  });

  const noNumbers = [
    "-1",
    "1.5",
    "1e3",
    " 5",
    "5 ",
    "+5",
    "05",
    "0x10",
    "1_000",
    "ten",
    "99999999999999999999",
    "NaN",
  ];
  it.each<[string, z.ZodType, readonly string[]]>([
    ["positiveInteger", positiveInteger(1), ["0", "1000001", ...noNumbers]],
    ["wholeNumber", wholeNumber(1), ["1000001", ...noNumbers]],
    ["port", port(80), ["65536", ...noNumbers]],
    ["flag", flag(false), ["1", "yes", "TRUE", " true"]],
    [
      "url",
      url("https", "http"),
      ["a.example", "ftp://a.example", "http://", "https//a.example", "javascript:1"],
    ],
    ["text", text(""), ["x".repeat(501)]],
  ])("%s refuses what is none", (_, schema, values) => {
    for (const value of values)
      expect(faultsOf(() => read(schema, value))).toEqual([expect.stringMatching(/^IT must /)]);
  });
});

describe("readProcessConfig", () => {
  it("needs nothing to be set", () => {
    expect(readProcessConfig({})).toMatchObject({ namespace: "butler", metricsPort: 3030, logLevel: "info" });
    expect(readProcessConfig({}).natsUrl).toBeUndefined();
  });

  it("takes several NATS servers", () => {
    expect(readProcessConfig({ NATS_URL: "nats://a:4222, tls://b:4222" }).natsUrl).toEqual([
      "nats://a:4222",
      "tls://b:4222",
    ]);
  });

  it.each([
    ["NATS_URL", "http://a:4222"],
    ["NATS_URL", "nats://a:4222,b:4222"],
    ["METRICS_PORT", "70000"],
    ["LOG_LEVEL", "loud"],
    ["LOG_FORMAT", "xml"],
    ["SHUTDOWN_PAUSE_SECS", "301"],
    ["SHUTDOWN_TIMEOUT_SECS", "-1"],
  ])("refuses %s=%s, and names it", (name, value) => {
    expect(faultsOf(() => readProcessConfig({ [name]: value }))).toEqual([
      expect.stringMatching(new RegExp(`^${name} must `)),
    ]);
  });

  it("prints no password of a NATS server", () => {
    expect(
      faultsOf(() => readProcessConfig({ NATS_URL: "http://somebody:s3cret@a:4222" })).join(),
    ).not.toContain("s3cret");
  });
});
