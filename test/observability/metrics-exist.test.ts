import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type System, startSystem } from "../support/system.ts";
import { expressions, recordedNames } from "./files.ts";
import { metricsIn } from "./promql.ts";

/** What Prometheus makes of a scrape itself. */
const FROM_PROMETHEUS = ["up"];
const HISTOGRAM_SUFFIXES = ["_bucket", "_count", "_sum"];

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.stop());

/** The names of the series that a process gives, or will give once something happens. */
async function namesOf(metricsUrl: string): Promise<readonly string[]> {
  const text = await (await fetch(`${metricsUrl}/metrics`)).text();
  return [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name, type]) =>
    type === "histogram" ? HISTOGRAM_SUFFIXES.map((suffix) => `${name}${suffix}`) : [name as string],
  );
}

describe("the metrics that dashboards and alerts name", () => {
  it("exist in the running system", async () => {
    const scrapes = await Promise.all(system.replicas.map(({ metricsUrl }) => namesOf(metricsUrl)));
    const known = new Set([...scrapes.flat(), ...recordedNames, ...FROM_PROMETHEUS]);
    const missing = expressions.flatMap(({ where, text }) =>
      metricsIn(text)
        .filter((name) => !known.has(name))
        .map((name) => `${where}: ${name}`),
    );
    expect(missing).toEqual([]);
  });
});
