// `node scripts/release/prometheus-rule.ts`: writes the alerts of deploy/prometheus as the Prometheus operator takes them.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";

const RULES = fileURLToPath(new URL("../../deploy/prometheus/butler.rules.yml", import.meta.url));

/** Where the result lies, for kustomize. */
export const PROMETHEUS_RULE_FILE = fileURLToPath(
  new URL("../../k8s/components/monitoring/prometheus-rule.yaml", import.meta.url),
);

const HEAD = `# Made from deploy/prometheus/butler.rules.yml by \`node scripts/release/prometheus-rule.ts\`: do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: butler
  labels:
    app.kubernetes.io/part-of: crypto-pocket-butler
spec:
`;

/** The rules as a PrometheusRule: they are its `spec` as they stand, two columns further in. */
export async function prometheusRule(): Promise<string> {
  const rules = await readFile(RULES, "utf8");
  return HEAD + rules.replace(/^(?=.)/gm, "  ");
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await writeFile(PROMETHEUS_RULE_FILE, await prometheusRule());
}
