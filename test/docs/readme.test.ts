import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const { scripts } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  scripts: Record<string, string>;
};

describe("README.md", () => {
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
