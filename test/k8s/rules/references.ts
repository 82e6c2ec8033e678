import {
  type AutoscalerSpec,
  type Container,
  containerOf,
  type DisruptionBudgetSpec,
  type Document,
  ofKind,
  type Probe,
  type ServiceSpec,
  selects,
  titleOf,
  type Workload,
  workloadsOf,
} from "../support/documents.ts";

/** Whatever names something, names something that is there: selectors, ports, maps, accounts, volumes. */
export function referenceFaults(documents: readonly Document[]): string[] {
  const workloads = workloadsOf(documents);
  return [
    ...workloads.flatMap((workload) => workloadFaults(workload, documents)),
    ...workloads.flatMap((workload) => selectorFaults(workload, workloads)),
    ...ofKind<ServiceSpec>(documents, "Service").flatMap((service) => serviceFaults(service, workloads)),
    ...ofKind<AutoscalerSpec>(documents, "HorizontalPodAutoscaler").flatMap((each) =>
      autoscalerFaults(each, workloads),
    ),
    ...ofKind<DisruptionBudgetSpec>(documents, "PodDisruptionBudget")
      .filter(({ spec }) => workloads.filter((each) => selects(spec.selector, labelsOf(each))).length !== 1)
      .map((budget) => `${titleOf(budget)} is not about one workload`),
    ...ofKind<MonitorSpec>(documents, "ServiceMonitor").flatMap((monitor) =>
      monitorFaults(monitor, documents),
    ),
  ];
}

interface MonitorSpec {
  readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly endpoints: readonly { readonly port: string; readonly path: string }[];
}

function labelsOf(workload: Workload) {
  return workload.spec.template.metadata.labels;
}

function workloadFaults(workload: Workload, documents: readonly Document[]): string[] {
  const { serviceAccountName, volumes = [], topologySpreadConstraints = [] } = workload.spec.template.spec;
  const container = containerOf(workload);
  const has = (kind: string, name: string) =>
    documents.some((document) => document.kind === kind && document.metadata.name === name);
  const maps = [
    ...(container.envFrom ?? []).map(({ configMapRef }) => configMapRef?.name),
    ...volumes.map(({ configMap }) => configMap?.name),
  ].filter((name) => name !== undefined);
  const mounts = (container.volumeMounts ?? []).map(({ name }) => name);
  const faults: [wrong: boolean, fault: string][] = [
    [
      serviceAccountName !== undefined && !has("ServiceAccount", serviceAccountName),
      `there is no ServiceAccount ${serviceAccountName}`,
    ],
    ...maps.map((name): [boolean, string] => [!has("ConfigMap", name), `there is no ConfigMap ${name}`]),
    ...mounts.map((name): [boolean, string] => [
      !volumes.some((volume) => volume.name === name),
      `there is no volume ${name}`,
    ]),
    ...volumes.map(({ name }): [boolean, string] => [
      !mounts.includes(name),
      `the volume ${name} is not mounted`,
    ]),
    ...topologySpreadConstraints.map(({ topologyKey, labelSelector = {} }): [boolean, string] => [
      !selects(labelSelector, labelsOf(workload)),
      `the spread over ${topologyKey} is of other pods`,
    ]),
    ...probesOf(container).map((probe): [boolean, string] => [
      portOf(container, (probe.httpGet ?? probe.tcpSocket)?.port) === undefined,
      "a probe asks a port that the container does not have",
    ]),
  ];
  return faults.filter(([wrong]) => wrong).map(([, fault]) => `${titleOf(workload)}: ${fault}`);
}

/** A workload's selector means its own pods, and no other's. */
function selectorFaults(workload: Workload, workloads: readonly Workload[]): string[] {
  const { selector } = workload.spec;
  if (!selector) return [];
  return workloads
    .filter((other) => selects(selector, labelsOf(other)) !== (other === workload))
    .map((other) => `${titleOf(workload)}: its selector is wrong about the pods of ${titleOf(other)}`);
}

function serviceFaults(service: Document<ServiceSpec>, workloads: readonly Workload[]): string[] {
  const behind = workloads.filter((each) => selects({ matchLabels: service.spec.selector }, labelsOf(each)));
  if (behind.length === 0) return [`${titleOf(service)} selects no pod`];
  return service.spec.ports.flatMap(({ name, port, targetPort }) =>
    behind.flatMap((workload) => {
      const target = portOf(containerOf(workload), targetPort);
      if (target === undefined)
        return [`${titleOf(service)}: ${titleOf(workload)} has no port ${targetPort}`];
      const isHeadless = service.spec.clusterIP === "None";
      // Without an address of its own, nothing translates its ports.
      return isHeadless && target !== port ? [`${titleOf(service)}: port ${name} is not the pods'`] : [];
    }),
  );
}

function autoscalerFaults(autoscaler: Document<AutoscalerSpec>, workloads: readonly Workload[]): string[] {
  const { scaleTargetRef, metrics } = autoscaler.spec;
  const target = workloads.find(
    ({ kind, metadata }) => kind === scaleTargetRef.kind && metadata.name === scaleTargetRef.name,
  );
  if (!target) return [`${titleOf(autoscaler)}: there is no ${scaleTargetRef.kind} ${scaleTargetRef.name}`];
  const { name } = containerOf(target);
  return metrics.flatMap(({ containerResource }) =>
    containerResource && containerResource.container !== name
      ? [`${titleOf(autoscaler)}: ${titleOf(target)} has no container ${containerResource.container}`]
      : [],
  );
}

function monitorFaults(monitor: Document<MonitorSpec>, documents: readonly Document[]): string[] {
  const services = ofKind<ServiceSpec>(documents, "Service").filter(({ metadata }) =>
    selects(monitor.spec.selector, metadata.labels ?? {}),
  );
  if (services.length !== 1) return [`${titleOf(monitor)} is not about one Service`];
  const ports = services.flatMap(({ spec }) => spec.ports.map(({ name }) => name));
  return monitor.spec.endpoints.flatMap(({ port, path }) =>
    ports.includes(port) && path === "/metrics" ? [] : [`${titleOf(monitor)}: there is no ${port}${path}`],
  );
}

function probesOf({ startupProbe, livenessProbe, readinessProbe }: Container): Probe[] {
  return [startupProbe, livenessProbe, readinessProbe].filter((probe) => probe !== undefined);
}

/** The number of a container's port, by its name or number. */
export function portOf(container: Container, port: string | number | undefined): number | undefined {
  return container.ports?.find(({ name, containerPort }) => port === name || port === containerPort)
    ?.containerPort;
}
