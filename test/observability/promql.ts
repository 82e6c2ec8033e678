import { parser } from "@prometheus-io/lezer-promql";

/** What Grafana puts in before Prometheus sees an expression. */
const GRAFANA_VALUES: readonly (readonly [RegExp, string])[] = [[/\$__rate_interval\b/g, "1m"]];

/** The names of the metrics that an expression reads. Throws where it is no PromQL. */
export function metricsIn(expression: string): readonly string[] {
  const text = GRAFANA_VALUES.reduce((all, [pattern, value]) => all.replace(pattern, value), expression);
  const names: string[] = [];
  parser.parse(text).iterate({
    enter(node) {
      if (node.type.isError)
        throw new Error(`"${text}" is no PromQL: see "${text.slice(node.from, node.from + 20)}"`);
      if (node.name === "VectorSelector") {
        const name = node.node.getChild("Identifier");
        if (!name) throw new Error(`"${text}" selects series without naming a metric`);
        names.push(text.slice(name.from, name.to));
      }
    },
  });
  return names;
}
