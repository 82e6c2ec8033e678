import { parseAllDocuments } from "yaml";

// Kubernetes documents, as far as the rules look into them; the schemas check the rest.

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Labels;
  readonly annotations?: Labels;
}
export type Labels = Readonly<Record<string, string>>;
export type Quantities = Readonly<Record<string, string>>;

export interface Selector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
    readonly values?: readonly string[];
  }[];
}

export interface SecurityContext {
  runAsNonRoot?: boolean;
  runAsUser?: number;
  readonly seccompProfile?: { type: string };
  privileged?: boolean;
  allowPrivilegeEscalation?: boolean;
  readOnlyRootFilesystem?: boolean;
  readonly capabilities?: { drop?: readonly string[]; add?: readonly string[] };
  procMount?: string;
}

export interface Probe {
  readonly httpGet?: { path: string; port: string | number };
  readonly tcpSocket?: { port: string | number };
  readonly periodSeconds?: number;
  readonly timeoutSeconds?: number;
  readonly failureThreshold?: number;
}

export interface EnvironmentVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: { readonly name: string; readonly key: string; readonly optional?: boolean };
    readonly fieldRef?: { readonly fieldPath: string };
  };
}

export interface Container {
  readonly name: string;
  image: string;
  readonly command?: readonly string[];
  args?: readonly string[];
  readonly env?: EnvironmentVariable[];
  readonly envFrom?: { readonly configMapRef?: { readonly name: string } }[];
  readonly ports?: { name?: string; containerPort: number; hostPort?: number }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly lifecycle?: { readonly preStop?: { readonly exec?: { readonly command: readonly string[] } } };
  readonly resources?: { readonly requests?: Quantities; readonly limits?: Quantities };
  readonly securityContext?: SecurityContext;
  readonly volumeMounts?: { readonly name: string; mountPath: string; readonly readOnly?: boolean }[];
}

export interface Volume {
  readonly name: string;
  readonly secret?: {
    readonly secretName: string;
    readonly items?: { readonly key: string; readonly path: string }[];
  };
  readonly configMap?: { readonly name: string };
  readonly emptyDir?: { readonly sizeLimit?: string };
}

export interface PodSpec {
  readonly serviceAccountName?: string;
  automountServiceAccountToken?: boolean;
  enableServiceLinks?: boolean;
  terminationGracePeriodSeconds?: number;
  hostNetwork?: boolean;
  hostPID?: boolean;
  hostIPC?: boolean;
  readonly securityContext?: SecurityContext;
  readonly topologySpreadConstraints?: {
    readonly topologyKey: string;
    readonly labelSelector?: Selector;
  }[];
  readonly containers: Container[];
  readonly initContainers?: Container[];
  readonly volumes?: Volume[];
}

export interface Document<Spec = unknown> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec: Spec;
  readonly data?: Readonly<Record<string, string>>;
}

export interface WorkloadSpec {
  replicas?: number;
  minReadySeconds?: number;
  readonly strategy?: { readonly rollingUpdate?: { maxSurge?: number; maxUnavailable?: number } };
  readonly selector?: Selector;
  readonly template: { readonly metadata: { readonly labels: Labels }; readonly spec: PodSpec };
}
export type Workload = Document<WorkloadSpec>;

export interface ServiceSpec {
  readonly clusterIP?: string;
  readonly selector: Labels;
  readonly ports: { readonly name: string; readonly port: number; targetPort: string | number }[];
}
export interface AutoscalerSpec {
  readonly scaleTargetRef: { readonly apiVersion: string; readonly kind: string; name: string };
  minReplicas: number;
  maxReplicas: number;
  readonly metrics: {
    readonly type: string;
    readonly containerResource?: { readonly container: string };
    readonly pods?: { readonly metric: { readonly name: string } };
  }[];
}
export interface DisruptionBudgetSpec {
  minAvailable?: number;
  maxUnavailable?: number;
  readonly selector: Selector;
}

const WORKLOADS = new Set(["Deployment", "StatefulSet", "Job"]);

/** The documents of a YAML text. @throws when it is not YAML. */
export function parseDocuments(text: string): Document[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS() as Document;
  });
}

/** Those of one kind. */
export function ofKind<Spec>(documents: readonly Document[], kind: string): Document<Spec>[] {
  return documents.filter((document) => document.kind === kind) as Document<Spec>[];
}

/** Whatever makes pods. */
export function workloadsOf(documents: readonly Document[]): Workload[] {
  return documents.filter(({ kind }) => WORKLOADS.has(kind)) as Workload[];
}

/** The system's own processes: one Deployment per service. */
export function servicesOf(documents: readonly Document[]): Workload[] {
  return workloadsOf(documents).filter((workload) => labelOf(workload, "component") === "service");
}

/** The jobs that migrate. */
export function migrationsIn(documents: readonly Document[]): Workload[] {
  return workloadsOf(documents).filter((workload) => labelOf(workload, "component") === "migration");
}

/** One of the pods' recommended labels (`app.kubernetes.io/…`). */
export function labelOf(workload: Workload, label: "name" | "component" | "part-of"): string | undefined {
  return workload.spec.template.metadata.labels[`app.kubernetes.io/${label}`];
}

/** Its only container. */
export function containerOf(workload: Workload): Container {
  return workload.spec.template.spec.containers[0] as Container;
}

/** `Deployment butler-auth`: how faults name a document. */
export function titleOf({ kind, metadata }: Document): string {
  return `${kind} ${metadata.name}`;
}

/** Whether a selector, as Kubernetes understands it, means something with these labels; an empty one means all. */
export function selects({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === "Exists") return value !== undefined;
      if (operator === "DoesNotExist") return value === undefined;
      const isIn = value !== undefined && values.includes(value);
      return operator === "In" ? isIn : !isIn;
    })
  );
}
