import { describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import { databaseMetrics } from "../../services/common/database/pool-metrics.ts";
import { migrationsOf } from "../../services/migrations.ts";
import { sourceOf } from "./support/code.ts";
import { type AutoscalerSpec, ofKind } from "./support/documents.ts";
import { render } from "./support/render.ts";

interface Rule {
  readonly seriesQuery: string;
  readonly resources: { readonly overrides: Readonly<Record<string, { readonly resource: string }>> };
  readonly name: { readonly as: string };
  readonly metricsQuery: string;
}
const { rules } = parse(sourceOf("k8s/components/pool-autoscaling/prometheus-adapter.yaml")) as {
  rules: Rule[];
};

/** `db_client_connection_max{…}`: the series that a query is of. */
function seriesIn(query: string): string[] {
  return [...query.matchAll(/\b([a-z_]+)\{/g)].map(([, name]) => name as string);
}

describe("the autoscalers of production", () => {
  it("go by CPU, and where there is a pool by its use and by who waits for it", async () => {
    const autoscalers = ofKind<AutoscalerSpec>(await render("production"), "HorizontalPodAutoscaler");
    const pooled = autoscalers.filter(({ spec }) => spec.metrics.some(({ type }) => type === "Pods"));
    expect(pooled.map(({ metadata }) => metadata.name).toSorted()).toEqual(
      Object.keys(migrationsOf)
        .map((name) => `butler-${name}`)
        .toSorted(),
    );
    for (const { spec } of autoscalers) expect(spec.metrics[0]?.type).toBe("ContainerResource");
    for (const { spec } of pooled) {
      const names = spec.metrics.flatMap(({ pods }) => pods?.metric.name ?? []);
      expect(names).toEqual(rules.map(({ name }) => name.as));
    }
  });
});

describe("the rules of the Prometheus adapter", () => {
  it.each(rules)(
    "make $name.as of what the pools tell, per pod",
    ({ seriesQuery, resources, metricsQuery }) => {
      const known = new Set(
        databaseMetrics.flatMap((metric) => {
          const { name } = metric as unknown as { name: string };
          return [name, `${name}_sum`, `${name}_count`];
        }),
      );
      const series = [...seriesIn(seriesQuery), ...seriesIn(metricsQuery)];
      expect(series.length).toBeGreaterThan(1);
      expect(series.filter((name) => !known.has(name))).toEqual([]);
      expect(resources.overrides).toEqual({ namespace: { resource: "namespace" }, pod: { resource: "pod" } });
      expect(seriesQuery).toMatch(/\{namespace!="",pod!=""\}$/);
      // The adapter fills in which pods, and that it wants one value of each.
      expect(metricsQuery.match(/<<\.LabelMatchers>>/g)?.length).toBe(seriesIn(metricsQuery).length);
      expect(metricsQuery).toContain("by (<<.GroupBy>>)");
    },
  );
});
