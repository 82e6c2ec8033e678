import { beforeAll, describe, expect, it } from "@jest/globals";
import { networkFaults } from "./rules/network.ts";
import { type Change, change } from "./support/change.ts";
import { type Graph, readGraph } from "./support/graph.ts";
import { render, VARIANTS } from "./support/render.ts";

let graph: Graph;
beforeAll(async () => {
  graph = await readGraph();
});

describe("the services", () => {
  it("leave the cluster only as accounts and market, and as auth for the issuer", () => {
    expect(graph.leaving.toSorted()).toEqual(["accounts", "auth", "market"]);
  });
});

describe.each(VARIANTS)("the network policies of %s", (variant) => {
  it("allow exactly the services' graph", async () => {
    expect(networkFaults(await render(variant), graph)).toEqual([]);
  });
});

describe("networkFaults finds", () => {
  const policy = (name: string) => `NetworkPolicy ${name}`;
  const names = "spec.podSelector.matchExpressions.0.values";
  it.each<[policy: string, path: string, to: unknown, fault: string]>([
    [
      "butler-deny-all",
      "spec.podSelector.matchLabels",
      { x: "y" },
      "Ingress: Prometheus → a stranger's pod:22 is allowed",
    ],
    ["butler-deny-all", "spec.policyTypes", ["Ingress"], "a stranger's pod → the internet:443 is allowed"],
    [
      "butler-dns",
      "spec.egress.0.to.0.podSelector",
      undefined,
      "auth → another pod of kube-system:53 is allowed, and nobody",
    ],
    [
      "butler-dns",
      "spec.egress.0.to.0.namespaceSelector",
      undefined,
      "auth → DNS:53 is needed, and not allowed",
    ],
    [
      "butler-gateway",
      "spec.ingress.0.from.0.podSelector.matchLabels.x",
      "y",
      "the ingress controller → gateway:3000",
    ],
    ["butler-gateway", "spec.ingress.0.from", undefined, "Prometheus → gateway:3000 is allowed"],
    ["butler-gateway", "spec.ingress.0.ports", undefined, "the ingress controller → gateway:3030 is allowed"],
    ["butler-nats", "spec.egress.0.ports.0.port", 4223, "market → nats:4222 is needed, and not allowed"],
    [
      "butler-nats",
      "spec.podSelector.matchLabels",
      { "app.kubernetes.io/name": "auth" },
      "users → nats:4222 is needed",
    ],
    [
      "nats",
      "spec.ingress.0.from.0",
      { podSelector: {} },
      "a stranger's pod → nats:4222 is allowed, and nobody",
    ],
    ["nats", "spec.ingress.0.ports.0.port", 8222, "gateway → nats:4222 is needed, and not allowed"],
    ["butler-postgresql", names, ["auth"], "users → PostgreSQL:5432 is needed, and not allowed"],
    ["butler-postgresql", names, ["gateway"], "gateway → PostgreSQL:5432 is allowed, and nobody needs it"],
    ["butler-postgresql", "spec.egress.0.to", undefined, "auth → the internet:5432"],
    ["butler-migration", "spec.egress.0.ports.0.port", 5433, "users's migration → PostgreSQL:5432 is needed"],
    ["butler-issuer", "spec.egress.0.ports.0.port", 443, "auth → the issuer:8443 is needed, and not allowed"],
    [
      "butler-internet",
      names,
      ["accounts", "users"],
      "users → the internet:443 is allowed, and nobody needs it",
    ],
    [
      "butler-internet",
      "spec.egress.0.ports.0.port",
      80,
      "market → the internet:443 is needed, and not allowed",
    ],
    [
      "butler-internet",
      "spec.egress.0.to.0.ipBlock.except.1",
      "11.0.0.0/8",
      "accounts → the private address 10.96.0.1:443",
    ],
    [
      "butler-internet",
      "spec.egress.0.to.0.ipBlock.except",
      [],
      "market → the private address 169.254.169.254:443",
    ],
    [
      "butler-internet",
      "spec.egress.0.to.1.ipBlock.cidr",
      "::/0",
      "market → the private address fd00:ec2::254:443",
    ],
    [
      "butler-internet",
      "spec.egress.0.to.1.ipBlock.except.2",
      "2001:db8:1::/48",
      "the private address 2002:a00:1::1",
    ],
    [
      "butler-prometheus",
      "spec.ingress.0.ports.0.port",
      3000,
      "Prometheus → gateway:3000 is allowed, and nobody",
    ],
  ])("%s: %s", async (name, path, to, fault) => {
    const documents = await render("production");
    change(documents, { of: policy(name), path, to } satisfies Change);
    const faults = networkFaults(documents, graph);
    expect(faults).not.toEqual([]);
    expect(faults.join("\n")).toContain(fault);
  });
});
