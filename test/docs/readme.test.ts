import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { environmentTable } from "../support/environment-table.ts";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const { scripts } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  scripts: Record<string, string>;
};

describe("README.md", () => {
  it("lists exactly the settings that the services read, with their defaults", () => {
    const table = readme.slice(readme.indexOf("| read by |")).split("\n\n", 1)[0];
    expect(table).toBe(environmentTable());
  });

  it("names only npm scripts that exist", () => {
    const named = [
      ...readme.matchAll(/npm (?:run (?:-s )?)?(start|test|token|bench|check|migrate|[a-z]+)\b/g),
    ]
      .map(([, name]) => name as string)
      .filter((name) => name !== "ci" && name !== "install");
    expect(named.length).toBeGreaterThan(0);
    for (const name of named) expect(scripts).toHaveProperty(name);
  });
});
