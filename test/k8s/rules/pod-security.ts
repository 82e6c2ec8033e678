import {
  type Container,
  type Document,
  ofKind,
  type PodSpec,
  titleOf,
  type Workload,
  workloadsOf,
} from "../support/documents.ts";

/** The volumes that the restricted standard allows. */
const VOLUMES = new Set([
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
]);
const SECCOMP = new Set(["RuntimeDefault", "Localhost"]);

/**
 * Every pod meets the Pod Security Standard "restricted" (Kubernetes, "Pod Security Standards"), in a namespace that
 * enforces it; and our own rules beyond it: a read-only root, a numeric user, no token, no variables of Services.
 */
export function podSecurityFaults(documents: readonly Document[]): string[] {
  const namespaces = ofKind(documents, "Namespace").filter(
    ({ metadata }) => metadata.labels?.["pod-security.kubernetes.io/enforce"] !== "restricted",
  );
  const accounts = ofKind<undefined>(documents, "ServiceAccount").filter(
    (account) =>
      (account as { automountServiceAccountToken?: boolean }).automountServiceAccountToken !== false,
  );
  return [
    ...namespaces.map((document) => `${titleOf(document)} does not enforce restricted`),
    ...accounts.map((document) => `${titleOf(document)} mounts its token`),
    ...workloadsOf(documents).flatMap(podFaults),
  ];
}

function podFaults(workload: Workload): string[] {
  const pod = workload.spec.template.spec;
  const faults: [wrong: boolean, fault: string][] = [
    [Boolean(pod.hostNetwork || pod.hostPID || pod.hostIPC), "shares a namespace of its node"],
    [pod.automountServiceAccountToken !== false, "mounts a token"],
    [pod.enableServiceLinks !== false, "gets variables of Services"],
    ...(pod.volumes ?? []).map(({ name, ...source }): [boolean, string] => [
      !Object.keys(source).every((type) => VOLUMES.has(type)),
      `has the volume ${name} of a type that is not allowed`,
    ]),
    ...[...(pod.initContainers ?? []), ...pod.containers].flatMap((container) =>
      containerFaults(pod, container).map(([wrong, fault]): [boolean, string] => [
        wrong,
        `${container.name} ${fault}`,
      ]),
    ),
  ];
  return faults.filter(([wrong]) => wrong).map(([, fault]) => `${titleOf(workload)}: ${fault}`);
}

function containerFaults(pod: PodSpec, container: Container): [wrong: boolean, fault: string][] {
  const { securityContext: own = {}, resources = {}, ports = [] } = container;
  const context = { ...pod.securityContext, ...own };
  const { requests = {}, limits = {} } = resources;
  return [
    [context.privileged === true, "is privileged"],
    [context.allowPrivilegeEscalation !== false, "may escalate its privileges"],
    [context.runAsNonRoot !== true, "may run as root"],
    [!Number.isInteger(context.runAsUser) || context.runAsUser === 0, "runs as no numeric user, or as root"],
    [!SECCOMP.has(context.seccompProfile?.type ?? ""), "has no seccomp profile"],
    [!context.capabilities?.drop?.includes("ALL"), "keeps capabilities"],
    [(context.capabilities?.add ?? []).some((name) => name !== "NET_BIND_SERVICE"), "adds capabilities"],
    [(context.procMount ?? "Default") !== "Default", "has another /proc"],
    [context.readOnlyRootFilesystem !== true, "can write to its root file system"],
    [ports.some(({ hostPort }) => hostPort !== undefined), "opens a port of its node"],
    [!(requests.cpu && requests.memory), "requests no CPU or no memory"],
    [!(limits.cpu && limits.memory), "has no limit of CPU or of memory"],
  ];
}
