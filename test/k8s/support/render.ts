import { execFile } from "node:child_process";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./code.ts";
import { type Document, parseDocuments } from "./documents.ts";
import { obtainKubectl } from "./kubectl.ts";

const run = promisify(execFile);

/** The overlays of the repository. */
export const OVERLAYS = ["dev", "production"] as const;

/** Other ways to put the parts together, each as an overlay of its own beside production. */
export const COMPOSITIONS = {
  low: { components: ["presets/low", "nats"], maxConnections: 500 },
  "low, pooled": { components: ["presets/low", "nats", "pgbouncer"], maxConnections: 500 },
  medium: { components: ["presets/medium", "nats", "monitoring"], maxConnections: 1250 },
  "medium, pooled": {
    components: ["presets/medium", "nats", "pgbouncer", "monitoring", "pool-autoscaling"],
    maxConnections: 500,
  },
  "high, pooled": {
    components: ["presets/high", "nats", "pgbouncer", "monitoring", "pool-autoscaling", "tracing"],
    maxConnections: 500,
  },
} as const satisfies Record<string, { components: readonly string[]; maxConnections: number }>;
export type Composition = keyof typeof COMPOSITIONS;

/** Everything that is rendered and checked. */
export const VARIANTS = [...OVERLAYS, ...(Object.keys(COMPOSITIONS) as Composition[])] as const;
export type Variant = (typeof VARIANTS)[number];

const texts = new Map<Variant, Promise<string>>();

/** What `kubectl apply` would send, new objects each time: a test may change them. */
export async function render(variant: Variant): Promise<Document[]> {
  const text = texts.get(variant) ?? renderText(variant);
  texts.set(variant, text);
  return parseDocuments(await text);
}

async function renderText(variant: Variant): Promise<string> {
  const overlay = OVERLAYS.find((name) => name === variant);
  if (overlay) return kustomize(join(ROOT, "k8s", "overlays", overlay));
  const folder = await realpath(await mkdtemp(join(tmpdir(), "butler-overlay-")));
  try {
    await writeComposition(folder, COMPOSITIONS[variant as Composition]);
    return await kustomize(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** kustomize takes folders by relative paths only. */
async function writeComposition(
  folder: string,
  { components, maxConnections }: (typeof COMPOSITIONS)[Composition],
): Promise<void> {
  const k8s = relative(folder, await realpath(join(ROOT, "k8s")));
  const namespace = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: "butler",
      labels: { "pod-security.kubernetes.io/enforce": "restricted" },
      annotations: { "butler/postgresql-max-connections": String(maxConnections) },
    },
  };
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    namespace: "butler",
    resources: ["namespace.yaml", `${k8s}/base`],
    components: components.map((component) => `${k8s}/components/${component}`),
    configMapGenerator: [
      {
        name: "butler-auth",
        behavior: "merge",
        literals: ["OIDC_ISSUER=https://login.example.com/realms/butler", "OIDC_AUDIENCE=butler"],
      },
    ],
    images: [
      { name: "crypto-pocket-butler", newName: "example.com/butler", digest: `sha256:${"1".repeat(64)}` },
      { name: "pgbouncer", newName: "example.com/pgbouncer", digest: `sha256:${"2".repeat(64)}` },
    ],
  };
  // JSON is YAML.
  await writeFile(join(folder, "namespace.yaml"), JSON.stringify(namespace));
  await writeFile(join(folder, "kustomization.yaml"), JSON.stringify(kustomization));
}

async function kustomize(folder: string): Promise<string> {
  const { stdout } = await run(await obtainKubectl(), ["kustomize", folder], {
    maxBuffer: 16 * 1024 * 1024,
    timeout: 60_000,
  });
  return stdout;
}
