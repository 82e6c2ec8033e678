import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import { ROOT, sourceOf } from "./support/code.ts";
import { ofKind } from "./support/documents.ts";
import { render } from "./support/render.ts";

const DASHBOARDS = join(ROOT, "deploy/grafana/dashboards");
/** The most that `kubectl apply` can keep of an object in its annotation. */
const MAX_APPLIED_BYTES = 262_144;

describe("the component monitoring", () => {
  it("gives the Prometheus operator the rules that compose's Prometheus has", async () => {
    const [rule] = ofKind(await render("production"), "PrometheusRule");
    expect(rule?.spec).toEqual(parse(sourceOf("deploy/prometheus/butler.rules.yml")));
  });

  it("gives Grafana each dashboard, to the byte, where its sidecar looks", async () => {
    const maps = ofKind(await render("production"), "ConfigMap").filter(
      ({ metadata }) => metadata.labels?.grafana_dashboard === "1",
    );
    const found = Object.assign({}, ...maps.map(({ data }) => data)) as Record<string, string>;
    const files = readdirSync(DASHBOARDS);
    expect(Object.keys(found).sort()).toEqual(files.sort());
    for (const file of files) expect(found[file]).toBe(readFileSync(join(DASHBOARDS, file), "utf8"));
    for (const { metadata, data } of maps) {
      // The same name for the next version, so that this one does not stay beside it.
      expect(metadata.name).toMatch(/^butler-dashboard-[a-z]+$/);
      expect(Buffer.byteLength(JSON.stringify(data))).toBeLessThan(MAX_APPLIED_BYTES);
    }
  });

  it("labels what it scrapes as the rules and dashboards expect it", async () => {
    const [monitor] = ofKind<{ endpoints: { relabelings: { targetLabel: string }[] }[] }>(
      await render("production"),
      "ServiceMonitor",
    );
    const targets = monitor?.spec.endpoints[0]?.relabelings.map(({ targetLabel }) => targetLabel);
    const inCompose = parse(sourceOf("deploy/compose/prometheus.yml")) as {
      scrape_configs: { relabel_configs: { target_label: string }[] }[];
    };
    const composed = inCompose.scrape_configs[0]?.relabel_configs.map(({ target_label }) => target_label);
    expect(targets).toEqual(["service", "job"]);
    expect(composed).toEqual(targets);
  });
});
