import type { Graph } from "../support/graph.ts";

const HEAD = `# Who may say what on NATS: each service as its part in the system needs it, which its contract and its \`uses\` tell.
# A test writes this file anew from the code and compares: see docs/kubernetes.md.
#
# Moleculer's subjects are MOL-<namespace>.<packet>.<node>. What is sent to one node is its own to hear; the packets by
# which nodes find each other go to all.

# The passwords come from the secret butler-nats, mounted beside this folder.
include ../nats-secret/passwords.conf
`;

/** To everyone: nodes come, live and leave. */
const SHARED = ["DISCOVER", "INFO", "HEARTBEAT", "DISCONNECT"];
/** To one node. */
const ADDRESSED = ["EVENT", "REQ", "RES", "DISCOVER", "INFO", "PING", "PONG"];

interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/**
 * How processes call their nodes. NATS tells subjects apart by whole pieces between dots, so it can keep the nodes of
 * one service from another only if an id begins with its service's name as a piece: `auth.host.1`, not `auth-host-1`.
 */
export type NodeIds = "of one piece" | "by service";

/** How a process of this service has called its node. */
export function nodeIdsLike(nodeId: string, service: string): NodeIds {
  if (nodeId.startsWith(`${service}.`)) return "by service";
  if (nodeId.includes(".")) throw new Error(`NATS has no rule for node ids like ${nodeId}.`);
  return "of one piece";
}

export interface AuthorizationOptions {
  readonly graph: Graph;
  readonly namespace: string;
  readonly nodeIds: NodeIds;
}

/** The authorisation of NATS as the graph of the services demands it. */
export function authorizationOf(options: AuthorizationOptions): string {
  const users = options.graph.services.map((service) => userText(service, permissionsOf(service, options)));
  return `${HEAD}\nauthorization {\n  timeout: 2\n  users: [\n${users.join("\n")}\n  ]\n}\n`;
}

/** What a service's processes must be able to send and to hear, and nothing more. */
function permissionsOf(service: string, { graph, namespace, nodeIds }: AuthorizationOptions): Permissions {
  const prefix = `MOL-${namespace}`;
  const called = graph.calls.get(service) ?? [];
  const callers = graph.services.filter((other) => graph.calls.get(other)?.includes(service));
  const nodesOf = (packet: string, name: string) =>
    nodeIds === "by service" ? `${prefix}.${packet}.${name}.>` : `${prefix}.${packet}.*`;
  const anyNode = nodeIds === "by service" ? ">" : "*";
  return {
    publish: [
      ...SHARED.map((packet) => `${prefix}.${packet}`),
      // To a node that is new, of whichever service.
      ...["DISCOVER", "INFO"].map((packet) => `${prefix}.${packet}.${anyNode}`),
      ...called.map((other) => nodesOf("REQ", other)),
      ...callers.map((other) => nodesOf("RES", other)),
      ...(graph.tellers.includes(service) ? [`${prefix}.EVENT.${anyNode}`] : []),
    ].filter(isFirst),
    subscribe: [
      ...[...SHARED, "PING"].map((packet) => `${prefix}.${packet}`),
      ...ADDRESSED.map((packet) => nodesOf(packet, service)),
    ],
  };
}

function isFirst(subject: string, index: number, all: readonly string[]): boolean {
  return all.indexOf(subject) === index;
}

function userText(service: string, { publish, subscribe }: Permissions): string {
  const list = (subjects: readonly string[]) =>
    subjects.map((subject) => `          "${subject}"`).join("\n");
  return `    {
      user: ${service}
      password: $${service.toUpperCase()}_PASSWORD
      permissions: {
        publish: { allow: [
${list(publish)}
        ] }
        subscribe: { allow: [
${list(subscribe)}
        ] }
      }
    }`;
}
