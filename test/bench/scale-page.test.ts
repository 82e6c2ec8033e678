import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { BenchError } from "../../bench/errors.ts";
import { readOptions } from "../../bench/options.ts";
import { readFigures, sectionsOf, withSections } from "../../bench/scale-page.ts";
import { scaleLine } from "../../bench/scale-tables.ts";

const root = new URL("../../", import.meta.url);
const sourceOf = (path: string) => readFileSync(new URL(path, root), "utf8");
const page = sourceOf("docs/scaling.md");

describe("docs/scaling.md", () => {
  it("shows the figures that were measured, and the plan that follows from them", async () => {
    expect(withSections(page, sectionsOf(await readFigures()))).toBe(page);
  });

  it("shows figures without an error, of 1, 2 and 4 replicas", async () => {
    expect(scaleLine(await readFigures())).toMatch(
      /^scale: replicas=1,2,4 cpu_us_per_request=\d+,\d+,\d+ connections=\d+,\d+,\d+ errors=0$/,
    );
  });

  it("names metrics and actions that exist", () => {
    const dashboards = sourceOf("deploy/grafana/dashboards/system.json");
    const all = dashboards + sourceOf("deploy/grafana/dashboards/requests.json");
    const metrics = [...page.matchAll(/`([a-z]+(?:_[a-z]+){2,})`/g)].map(([, name]) => name as string);
    expect(metrics.length).toBeGreaterThan(6);
    expect(metrics.filter((name) => !all.includes(name) && !isSetting(name))).toEqual([]);
    expect(sourceOf("services/auth/contract.ts")).toMatch(/^ {4}authenticate: \{$/m);
    expect(page).toContain("`auth.authenticate`");
  });

  it("names panels that exist", () => {
    const titles = readdirSync(new URL("deploy/grafana/dashboards", root)).flatMap((file) =>
      (
        JSON.parse(sourceOf(`deploy/grafana/dashboards/${file}`)) as { panels: { title: string }[] }
      ).panels.map(({ title }) => title),
    );
    const table = page.slice(page.indexOf("| limit |")).split("\n\n", 1)[0] as string;
    const named = table
      .split("\n")
      .slice(2)
      .flatMap((line) => (line.split(" | ")[2] as string).split("; "));
    expect(named.length).toBeGreaterThan(8);
    expect(named.filter((title) => !titles.includes(title))).toEqual([]);
  });

  it("is linked from the README and from docs/kubernetes.md", () => {
    expect(sourceOf("README.md")).toContain("(docs/scaling.md)");
    expect(sourceOf("docs/kubernetes.md")).toContain("(scaling.md#against-the-presets)");
    expect(page).toContain("\n## Against the presets\n");
  });
});

/** PostgreSQL's, not ours. */
function isSetting(name: string): boolean {
  return name === "max_connections";
}

describe("withSections", () => {
  it("changes nothing but what lies between the comments", () => {
    const text = "a\n<!-- figures: one -->\nold\n<!-- end -->\nb\n";
    expect(withSections(text, new Map([["one", "new\nlines"]]))).toBe(
      "a\n<!-- figures: one -->\nnew\nlines\n<!-- end -->\nb\n",
    );
  });

  it("refuses a page that has no place for a section", () => {
    expect(() => withSections("a\n", new Map([["one", "new"]]))).toThrow(BenchError);
  });
});

describe("readOptions", () => {
  it("takes --scale with rounds and connections", () => {
    expect(readOptions(["--scale", "--rounds", "2", "--connections", "20"])).toEqual({
      scale: expect.objectContaining({ rounds: 2, connections: 20, write: false }),
    });
    expect(readOptions(["--rounds", "2"])).toEqual({ bench: expect.objectContaining({ rounds: 2 }) });
  });

  it("lists it in the help", () => {
    expect(readOptions(["--help"])).toMatch(/^ {2}--scale {2}/m);
  });

  it.each([
    [["--write"], "--write goes with --scale"],
    [["--scale", "--quick", "--write"], "--quick measures too little"],
    [["--scale", "--requests", "5"], "--requests does not go with --scale"],
    [["--scale", "--rounds", "0"], "--rounds must be a whole number from 1 to 5"],
  ])("refuses %j", (given, why) => {
    expect(() => readOptions(given)).toThrow(why);
  });
});
