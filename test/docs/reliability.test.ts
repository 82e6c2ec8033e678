import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";

const root = new URL("../../", import.meta.url);
const text = readFileSync(new URL("docs/reliability.md", root), "utf8");

describe("docs/reliability.md", () => {
  it("names tests that exist", () => {
    const named = [...text.matchAll(/`(test\/[^`]+)`/g)].map(([, path]) => path as string);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((path) => !existsSync(new URL(path, root)))).toEqual([]);
  });

  it("shows what the command printed, to its last line", () => {
    expect(text.trimEnd()).toMatch(
      /\nchaos: faults=\d+ lost=\d+ doubled=\d+ rolling_failed=\d+ unrecovered=\d+\n```$/,
    );
  });
});
