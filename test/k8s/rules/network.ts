import { BlockList, isIPv6 } from "node:net";
import {
  type Document,
  type Labels,
  ofKind,
  type Selector,
  selects,
  workloadsOf,
} from "../support/documents.ts";
import type { Graph } from "../support/graph.ts";

type Direction = "Ingress" | "Egress";

interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}
interface PolicySpec {
  readonly podSelector: Selector;
  readonly policyTypes: readonly Direction[];
  readonly ingress?: readonly { readonly from?: readonly Peer[]; readonly ports?: readonly Port[] }[];
  readonly egress?: readonly { readonly to?: readonly Peer[]; readonly ports?: readonly Port[] }[];
}
interface Port {
  readonly port: number;
  readonly protocol?: string;
}
interface Place {
  readonly name: string;
  /** Of a pod; an address alone is outside the cluster. */
  readonly pod?: { readonly namespace: string; readonly labels: Labels };
  readonly address: string;
}

const OUTSIDE: readonly Place[] = [
  place("the ingress controller", "ingress-nginx", { "app.kubernetes.io/name": "ingress-nginx" }),
  place("Prometheus", "monitoring", { "app.kubernetes.io/name": "prometheus" }),
  place("PostgreSQL", "postgresql", { "app.kubernetes.io/name": "postgresql" }),
  place("the issuer", "keycloak", { "app.kubernetes.io/name": "keycloak" }),
  place("the collector", "observability", { "app.kubernetes.io/name": "opentelemetry-collector" }),
  place("DNS", "kube-system", { "k8s-app": "kube-dns" }),
  place("another pod of kube-system", "kube-system", { "k8s-app": "metrics-server" }),
  place("another namespace's pod", "default", { "app.kubernetes.io/name": "gateway" }),
  ...["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"].map((address) => ({
    name: "the internet",
    address,
  })),
  ...[
    "10.96.0.1",
    "172.20.1.1",
    "192.168.1.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "198.18.0.1",
    "224.0.0.1",
    "::1",
    "fd00:ec2::254",
    "fe80::1",
    "2002:a00:1::1",
    "64:ff9b::a9fe:a9fe",
  ].map((address) => ({ name: `the private address ${address}`, address })),
];
const PORTS = [22, 53, 80, 443, 3000, 3030, 4222, 4318, 5432, 6222, 6432, 8222, 8443, 10250];

function place(name: string, namespace: string, labels: Labels): Place {
  return { name, pod: { namespace, labels }, address: "10.1.2.3" };
}

/**
 * What the policies allow and the graph does not have, and the other way round; of each direction by itself, so that
 * neither counts on the other.
 */
export function networkFaults(documents: readonly Document[], graph: Graph): string[] {
  const own = ownPlaces(documents);
  const edges = expectedEdges(documents, graph);
  return (["Egress", "Ingress"] as const).flatMap((direction) => {
    const isOwn = ({ from, to }: Edge) =>
      own.some(({ name }) => name === (direction === "Egress" ? from : to));
    const allowed = new Set(edgesOf(documents, own, direction).map(textOf));
    const expected = new Set(edges.filter(isOwn).map(textOf));
    return [
      ...[...allowed]
        .filter((edge) => !expected.has(edge))
        .map((edge) => `${direction}: ${edge} is allowed, and nobody needs it`),
      ...[...expected]
        .filter((edge) => !allowed.has(edge))
        .map((edge) => `${direction}: ${edge} is needed, and not allowed`),
    ];
  });
}

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly port: number;
}

function textOf({ from, to, port }: Edge): string {
  return `${from} → ${to}:${port}`;
}

function edge(from: string, to: string, port: number): Edge {
  return { from, to, port };
}

/** The edges of the graph: over NATS everything but HTTP requests to the outside, and SQL. */
function expectedEdges(documents: readonly Document[], graph: Graph): Edge[] {
  const isPooled = workloadsOf(documents).some(({ metadata }) => metadata.name === "pgbouncer");
  const isTraced = documents.some(({ metadata }) => metadata.name === "butler-tracing");
  const { services, withDatabase, leaving } = graph;
  const migrations = withDatabase.map((name) => `${name}'s migration`);
  return [
    edge("the ingress controller", "gateway", 3000),
    edge("nats", "nats", 6222),
    ...services.flatMap((name) => [edge(name, "nats", 4222), edge("Prometheus", name, 3030)]),
    ...withDatabase.map((name) =>
      isPooled ? edge(name, "pgbouncer", 6432) : edge(name, "PostgreSQL", 5432),
    ),
    ...[...migrations, ...(isPooled ? ["pgbouncer"] : [])].map((name) => edge(name, "PostgreSQL", 5432)),
    ...(isTraced ? services.map((name) => edge(name, "the collector", 4318)) : []),
    ...leaving.map((name) =>
      name === "auth" ? edge(name, "the issuer", 8443) : edge(name, "the internet", 443),
    ),
    ...[...services, ...migrations, "nats", ...(isPooled ? ["pgbouncer"] : [])].map((name) =>
      edge(name, "DNS", 53),
    ),
  ];
}

/** Every way of a direction, from or to our own pods, that the policies leave open. */
function edgesOf(documents: readonly Document[], own: readonly Place[], direction: Direction): Edge[] {
  const policies = ofKind<PolicySpec>(documents, "NetworkPolicy").map(({ spec }) => spec);
  return own.flatMap((self) =>
    [...own, ...OUTSIDE].flatMap((other) =>
      PORTS.filter((port) => mayPass(direction, policies, self, other, port)).map((port) =>
        direction === "Egress" ? edge(self.name, other.name, port) : edge(other.name, self.name, port),
      ),
    ),
  );
}

/** A pod of each workload, and one that somebody else has put into the namespace. */
function ownPlaces(documents: readonly Document[]): Place[] {
  const namespace = ofKind(documents, "Namespace")[0]?.metadata.name as string;
  const pods = workloadsOf(documents).map(({ spec: { template } }) => {
    const { labels } = template.metadata;
    const name = labels["app.kubernetes.io/name"] as string;
    const isMigration = labels["app.kubernetes.io/component"] === "migration";
    return place(isMigration ? `${name}'s migration` : name, namespace, labels);
  });
  return [...pods, place("a stranger's pod", namespace, {})];
}

/** As Kubernetes decides: a pod that no policy of a direction selects is open in it, else any of its rules may let pass. */
function mayPass(
  direction: Direction,
  policies: readonly PolicySpec[],
  self: Place,
  other: Place,
  port: number,
): boolean {
  const selecting = policies.filter(
    ({ podSelector, policyTypes }) =>
      policyTypes.includes(direction) && selects(podSelector, self.pod?.labels ?? {}),
  );
  if (selecting.length === 0) return true;
  const rules = selecting.flatMap(({ ingress = [], egress = [] }) =>
    direction === "Egress"
      ? egress.map(({ to: peers, ports }) => ({ peers, ports }))
      : ingress.map(({ from: peers, ports }) => ({ peers, ports })),
  );
  return rules.some(
    ({ peers, ports }) =>
      (!ports || ports.some((each) => each.port === port)) &&
      (!peers || peers.some((peer) => isPeer(peer, other, self.pod?.namespace as string))),
  );
}

function isPeer(
  { podSelector, namespaceSelector, ipBlock }: Peer,
  { pod, address }: Place,
  home: string,
): boolean {
  // Blocks are for what is outside the cluster; a pod is told by its labels.
  if (ipBlock)
    return !pod && isIn(ipBlock.cidr, address) && !ipBlock.except?.some((cidr) => isIn(cidr, address));
  if (!pod) return false;
  const isNamespace = namespaceSelector
    ? selects(namespaceSelector, { "kubernetes.io/metadata.name": pod.namespace })
    : pod.namespace === home;
  return isNamespace && selects(podSelector ?? {}, pod.labels);
}

function isIn(cidr: string, address: string): boolean {
  const [network, bits] = cidr.split("/") as [string, string];
  const family = isIPv6(network) ? "ipv6" : "ipv4";
  if (isIPv6(address) !== (family === "ipv6")) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family);
  return list.check(address, family);
}
