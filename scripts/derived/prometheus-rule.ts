const HEAD = `# Made from deploy/prometheus/butler.rules.yml by \`npm run derive\`: do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: butler
  labels:
    app.kubernetes.io/part-of: crypto-pocket-butler
spec:
`;

/** Rules of Prometheus as its operator takes them: they are its `spec` as they stand, two columns further in. */
export function prometheusRule(rules: string): string {
  return HEAD + rules.replace(/^(?=.)/gm, "  ");
}
