import { SERVICE_PARTS, type Service } from "./scale-figures.ts";
import type { ScalePlan } from "./scale-plan.ts";

/** What a preset of `k8s/components/presets` gives each service at most. */
export interface Preset {
  readonly name: "low" | "medium" | "high";
  readonly replicasMost: Readonly<Record<Service, number>>;
  /** What a pod asks for, in cores: the autoscaler's target is a share of it. */
  readonly cores: Readonly<Record<Service, number>>;
}

/** A test compares them with the manifests. */
export const PRESETS: readonly Preset[] = [
  {
    name: "low",
    replicasMost: { gateway: 3, auth: 2, users: 2, portfolios: 3, accounts: 2, market: 2 },
    cores: { gateway: 0.1, auth: 0.1, users: 0.1, portfolios: 0.1, accounts: 0.1, market: 0.1 },
  },
  {
    name: "medium",
    replicasMost: { gateway: 4, auth: 3, users: 2, portfolios: 3, accounts: 2, market: 2 },
    cores: { gateway: 0.25, auth: 0.25, users: 0.25, portfolios: 0.25, accounts: 0.25, market: 0.25 },
  },
  {
    name: "high",
    replicasMost: { gateway: 12, auth: 6, users: 4, portfolios: 12, accounts: 8, market: 4 },
    cores: { gateway: 1, auth: 0.5, users: 0.5, portfolios: 1, accounts: 0.5, market: 0.5 },
  },
];

/** `spec.metrics` of `k8s/base/template/autoscaler.yaml`. */
export const AUTOSCALER_TARGET_SHARE = 0.7;

export interface Carried {
  readonly requestsPerSecond: number;
  /** The service that is full first. */
  readonly first: Service;
}

/** What a preset carries with all its replicas, each using so many cores of one. */
export function carriedBy(
  preset: Preset,
  { costs }: Pick<ScalePlan, "costs">,
  coresEach: (service: Service) => number,
): Carried {
  const each = SERVICE_PARTS.map((service) => ({
    first: service,
    requestsPerSecond: (preset.replicasMost[service] * coresEach(service) * 1e6) / costs[service],
  }));
  return each.reduce((least, one) => (one.requestsPerSecond < least.requestsPerSecond ? one : least));
}
