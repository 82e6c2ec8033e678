import { readdirSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";

const ROOT = new URL("../../", import.meta.url);
const DASHBOARDS = new URL("deploy/grafana/dashboards/", ROOT);
const RULES = new URL("deploy/prometheus/", ROOT);

const Source = z.looseObject({ type: z.literal("prometheus"), uid: z.literal("prometheus") });
const Target = z.looseObject({ refId: z.string(), expr: z.string().min(1), datasource: Source });
const Row = z.looseObject({ id: z.number(), type: z.literal("row"), title: z.string().min(1) });
const Graph = z.looseObject({
  id: z.number(),
  type: z.enum(["timeseries", "stat"]),
  title: z.string().min(1),
  datasource: Source,
  fieldConfig: z.looseObject({ defaults: z.looseObject({ unit: z.string().min(1) }) }),
  targets: z.array(Target).min(1),
});
const Variable = z.looseObject({ name: z.string(), definition: z.string().optional() });
const Dashboard = z.looseObject({
  uid: z.string().min(1),
  title: z.string().min(1),
  templating: z.looseObject({ list: z.array(Variable) }),
  panels: z.array(z.union([Row, Graph])).min(1),
});

const Recorded = z.strictObject({ record: z.string(), expr: z.string() });
const Alert = z.strictObject({
  alert: z.string().regex(/^[A-Z][A-Za-z]+$/),
  expr: z.string(),
  for: z.string(),
  labels: z.strictObject({ severity: z.enum(["critical", "warning"]) }),
  annotations: z.strictObject({ summary: z.string().min(1), runbook: z.string() }),
});
const RuleFile = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string(), rules: z.array(z.union([Recorded, Alert])) })),
});

/** Grafana's dashboards. */
export const dashboards = readdirSync(DASHBOARDS).map((file) => ({
  file,
  dashboard: Dashboard.parse(JSON.parse(readFileSync(new URL(file, DASHBOARDS), "utf8"))),
}));

const rules = readdirSync(RULES)
  .flatMap((file) => RuleFile.parse(parse(readFileSync(new URL(file, RULES), "utf8"))).groups)
  .flatMap((group) => group.rules);

/** Prometheus' alerts. */
export const alerts = rules.filter((rule) => "alert" in rule);

/** The names that Prometheus records itself. */
export const recordedNames = rules.flatMap((rule) => ("record" in rule ? [rule.record] : []));

/** Every expression with where it stands. */
export const expressions = [
  ...rules.map((rule) => ({ where: "alert" in rule ? rule.alert : rule.record, text: rule.expr })),
  ...dashboards.flatMap(({ file, dashboard }) =>
    dashboard.panels.flatMap((panel) =>
      panel.type === "row"
        ? []
        : (panel as z.infer<typeof Graph>).targets.map(({ expr }) => ({
            where: `${file}: ${panel.title}`,
            text: expr,
          })),
    ),
  ),
  // A dashboard's variables ask for a metric's labels: label_values(metric, label).
  ...dashboards.flatMap(({ file, dashboard }) =>
    dashboard.templating.list.flatMap(({ name, definition }) =>
      definition === undefined
        ? []
        : [
            {
              where: `${file}: variable ${name}`,
              text: definition.replace(/^label_values\((\w+), \w+\)$/, "$1"),
            },
          ],
    ),
  ),
];

/** The runbook's text. */
export const runbook = readFileSync(new URL("docs/runbook.md", ROOT), "utf8");
