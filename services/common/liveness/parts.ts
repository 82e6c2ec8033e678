import type { Socket } from "node:net";
import type { ServiceBroker } from "moleculer";
import type { NatsConnection, Subscription } from "nats";

// The parts of Moleculer and of the NATS client that this folder reaches into; their own types leave them out.

export interface PendingRequest {
  readonly action: { readonly name: string };
  readonly nodeID: string;
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

export interface Packet {
  readonly type: string;
  readonly target: string | null;
  readonly payload: { readonly id: string };
}

export interface Transporter {
  readonly client: NatsConnection | null;
  readonly nodeID: string;
  connected: boolean;
  /** `MOL-<namespace>` */
  readonly prefix: string;
  connect: () => Promise<void>;
  subscribe: (command: string, nodeID?: string) => Promise<void>;
  receive(command: string, data: Buffer): unknown;
}

export interface Transit {
  readonly tx: Transporter;
  readonly pendingRequests: Map<string, PendingRequest>;
  removePendingRequest(id: string): void;
  sendResponse(nodeID: string, id: string, meta: object, headers: null, data: null, error: Error): unknown;
}

export interface BrokerNode {
  readonly id: string;
  readonly local: boolean;
  readonly available: boolean;
}

/** An action on one node. While its state is false, it is not chosen. */
export interface ActionEndpoint {
  readonly id: string;
  readonly local: boolean;
  readonly isAvailable: boolean;
  state: boolean;
}

interface EndpointList {
  readonly endpoints: readonly ActionEndpoint[];
  select(list: readonly ActionEndpoint[], context: unknown): ActionEndpoint;
}

export interface Registry {
  readonly nodes: {
    get(id: string): BrokerNode | undefined;
    toArray(): BrokerNode[];
    disconnected(id: string, isUnexpected: boolean): void;
  };
  readonly services: { readonly services: readonly { readonly node: BrokerNode }[] };
  readonly actions: { get(name: string): EndpointList | undefined };
  readonly discoverer: { sendLocalNodeInfo(): Promise<void>; discoverAllNodes(): Promise<unknown> };
  unregisterServicesByNode(id: string): void;
  regenerateLocalRawInfo(isNewer: boolean, isStopping: boolean): void;
}

/** Undefined in a process that reaches only its own services. */
export function transitOf(broker: ServiceBroker): Transit | undefined {
  return broker.transit as unknown as Transit | undefined;
}

export function registryOf(broker: ServiceBroker): Registry {
  return broker.registry as unknown as Registry;
}

/** One connection's socket; another one after each attempt to connect. */
export interface NatsTransport {
  readonly socket?: Socket;
}

interface NatsParts {
  readonly options: { timeout: number };
  readonly protocol: {
    readonly transport: NatsTransport;
    readonly subscriptions: { all(): Subscription[] };
  };
}

export function partsOf(client: NatsConnection): NatsParts {
  return client as unknown as NatsParts;
}
