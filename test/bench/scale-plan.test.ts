import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import { byPart, type Measured, type Part, type ScaleFigures } from "../../bench/scale-figures.ts";
import type { Kind } from "../../bench/scale-load-plan.ts";
import {
  type Demand,
  planOf,
  questionShareOf,
  REMEMBERED_SECONDS,
  REMEMBERED_TOKENS,
} from "../../bench/scale-plan.ts";
import { AUTOSCALER_TARGET_SHARE, carriedBy, PRESETS } from "../../bench/scale-presets.ts";
import { gatewayVariables } from "../../services/gateway/config.ts";

const root = new URL("../../", import.meta.url);
const sourceOf = (path: string) => readFileSync(new URL(path, root), "utf8");

/** A request that costs so much; 1,000 a second of it keep half a connection at work. */
function measured(costs: Partial<Record<Part, number>>): Measured {
  const micros = byPart((part) => costs[part] ?? 0);
  return {
    requests: 1000,
    errors: 0,
    unsent: 0,
    requestsPerSecond: 1000,
    p50Ms: 1,
    p99Ms: 2,
    cpuMicroseconds: micros,
    ownMicroseconds: micros,
    utilisation: {},
    connections: { open: 5, busyMost: 2, busyMean: 0.5, waitingMean: 0 },
    broker: { packets: 2, bytes: 1000, writes: 1 },
  };
}

const LIST = { gateway: 100, portfolios: 50, "nats-server": 30, PostgreSQL: 60 };
const figures: ScaleFigures = {
  date: "2026-01-01",
  machine: { cores: 2, processor: "", node: "24", postgresql: "18", nats: "2" },
  rounds: 1,
  seconds: 1,
  connections: 50,
  ratePerSecond: 500,
  configurations: [],
  operations: (["list", "first", "create", "holdings", "construct"] satisfies Kind[]).map((kind) => ({
    kind,
    ratePerSecond: 500,
    steady: measured(kind === "first" ? { ...LIST, gateway: 200, auth: 300 } : LIST),
    busy: measured({ ...LIST, gateway: 50 }),
  })),
};
const demand: Demand = {
  requestsPerSecond: 10_000,
  mix: { list: 1, create: 0, holdings: 0, construct: 0 },
  // All are remembered, and used so often that hardly any question is asked.
  tokens: 1,
  keepsClients: false,
};

const replicasOf = (plan: ReturnType<typeof planOf>, asked: string) =>
  plan.services.find(({ service }) => service === asked)?.replicas;

describe("planOf", () => {
  it("gives each zone as many replicas, and enough when one zone is gone", () => {
    const plan = planOf(figures, demand);
    const gateway = plan.services.find(({ service }) => service === "gateway");
    // 10,000/s × 100 µs = 1 core; at 0.7 of a core each, two zones need 1.43, so one in each is enough.
    expect(gateway).toMatchObject({ needed: 2, replicas: 3 });
    expect(gateway?.cores).toBeCloseTo(1, 2);
    expect(gateway?.zoneLost).toBeCloseTo(0.5, 2);
    for (const { replicas, zoneLost } of plan.services) {
      expect(replicas % 3).toBe(0);
      expect(zoneLost).toBeLessThanOrEqual(0.7);
    }
    // Three times as much: 3 cores, 4.3 processes, three in each zone.
    expect(replicasOf(planOf(figures, { ...demand, requestsPerSecond: 30_000 }), "gateway")).toBe(9);
  });

  it("reckons connections, PostgreSQL and NATS", () => {
    const plan = planOf(figures, demand);
    expect(plan.databaseCores).toBeCloseTo(0.6, 2);
    expect(plan.databaseCoresProvided).toBe(1);
    // Half a connection at 1,000/s; of portfolios, two replicas are left: 2.5 each, four times that and three beside.
    expect(plan.busyConnections).toBeCloseTo(5, 5);
    expect(plan.poolSize).toBe(15);
    // Five services of 3 + 2 pods; 15 for migrations; a tenth.
    expect(plan.connections).toBe(Math.ceil((25 * 15 + 15) * 1.1));
    expect(plan.natsCores).toBeCloseTo((0.3 * 5) / 3, 2);
    expect(plan.packetsPerSecond).toBeCloseTo(20_000, 5);
    expect(plan.heartbeatsPerSecond).toBe(2.5 * 18 * 18);
  });

  it("counts what questions about tokens cost", () => {
    const many = planOf(figures, { ...demand, tokens: 1_000_000 });
    expect(many.questionShare).toBeGreaterThan(0.95);
    expect(many.costs.auth).toBeCloseTo(300 * many.questionShare, 5);
    expect(many.costs.gateway).toBeCloseTo(100 + 100 * many.questionShare, 5);
    const kept = planOf(figures, { ...demand, tokens: 50_000, keepsClients: true });
    expect(kept.questionShare).toBeLessThan(planOf(figures, { ...demand, tokens: 50_000 }).questionShare);
  });

  it("takes the busy costs when they are asked for", () => {
    expect(planOf(figures, demand, "busy").costs.gateway).toBeCloseTo(50, 0);
    expect(planOf(figures, demand, "busy").costs.portfolios).toBeCloseTo(50, 0);
  });

  it("knows nothing of requests that were not measured", () => {
    expect(() => planOf({ ...figures, operations: [] }, demand)).toThrow('The figures have none of "list".');
  });
});

describe("questionShareOf", () => {
  it("asks once a minute about a token that comes all the time", () => {
    // 100 a second of each of 100 tokens, on one gateway: one question in 6,001 requests.
    const share = questionShareOf({ ...demand, tokens: 100 }, 1);
    expect(share).toBeCloseTo(1 / 6001, 6);
  });

  it("asks about all that there are too many of to be remembered", () => {
    expect(questionShareOf({ ...demand, requestsPerSecond: 1e9, tokens: 40_000 }, 1)).toBeCloseTo(0.5, 5);
  });

  it("reckons with what the gateway remembers", () => {
    expect(sourceOf("services/gateway/authenticate.ts")).toContain(
      `MAX_CACHED_PRINCIPALS = ${REMEMBERED_TOKENS / 1000}_000;`,
    );
    expect(gatewayVariables.principalCacheSeconds.schema.parse(undefined)).toBe(REMEMBERED_SECONDS);
  });
});

interface Autoscaler {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly maxReplicas: number };
}

/** In cores, from "250m" or "1". */
function coresIn(text: string): number {
  return text.endsWith("m") ? Number(text.slice(0, -1)) / 1000 : Number(text);
}

describe("PRESETS", () => {
  it.each(PRESETS)("says of $name what the manifests say", ({ name, replicasMost, cores }) => {
    const folder = `k8s/components/presets/${name}`;
    const autoscalers = sourceOf(`${folder}/replicas.yaml`)
      .split("\n---\n")
      .map((text) => parse(text) as Autoscaler);
    expect(
      Object.fromEntries(
        autoscalers.map(({ metadata, spec }) => [metadata.name.replace("butler-", ""), spec.maxReplicas]),
      ),
    ).toEqual(replicasMost);
    const [{ value }] = parse(sourceOf(`${folder}/resources.yaml`)) as [
      { value: { requests: { cpu: string } } },
    ];
    const usual = coresIn(value.requests.cpu);
    const others: Record<string, number> = {};
    if (name === "high") {
      const [{ value: busiest }] = parse(sourceOf(`${folder}/busiest.yaml`)) as [{ value: string }];
      others.gateway = coresIn(busiest);
      others.portfolios = coresIn(busiest);
    }
    const said = Object.keys(replicasMost).map((service) => [service, others[service] ?? usual]);
    expect(cores).toEqual(Object.fromEntries(said));
  });

  it("has the autoscaler's target", () => {
    const { spec } = parse(sourceOf("k8s/base/template/autoscaler.yaml")) as {
      spec: {
        metrics: [{ containerResource: { name: string; target: { averageUtilization: number } } }];
      };
    };
    const [{ containerResource }] = spec.metrics;
    expect(containerResource.name).toBe("cpu");
    expect(containerResource.target.averageUtilization / 100).toBe(AUTOSCALER_TARGET_SHARE);
  });
});

describe("carriedBy", () => {
  it("goes by the service that is full first", () => {
    const [, medium] = PRESETS;
    if (!medium) throw new Error("There is no preset medium.");
    const costs = byPart((part) => ({ gateway: 100, portfolios: 300 })[part as "gateway"] ?? 1);
    // Three portfolios at 0.7 of a core: 2.1 cores ÷ 300 µs.
    const carried = carriedBy(medium, { costs }, () => 0.7);
    expect(carried.first).toBe("portfolios");
    expect(carried.requestsPerSecond).toBeCloseTo(7000, 5);
  });
});
