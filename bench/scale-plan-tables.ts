import type { Service } from "./scale-figures.ts";
import {
  CONNECTIONS_PER_BUSY,
  DATABASE_CORE_SHARE,
  type Demand,
  NATS_SERVERS,
  PROCESS_CORE_SHARE,
  REMEMBERED_SECONDS,
  REMEMBERED_TOKENS,
  type ScalePlan,
  ZONES,
} from "./scale-plan.ts";
import { AUTOSCALER_TARGET_SHARE, carriedBy, PRESETS } from "./scale-presets.ts";
import { percent, row, tableOf, whole } from "./scale-text.ts";

/** What the plan is made for, in a sentence. */
export function demandText({ requestsPerSecond, mix, tokens }: Demand): string {
  const kinds = Object.entries(mix).map(([kind, share]) => `${percent(share)} ${kind}`);
  return `${whole(requestsPerSecond)} requests/s (${kinds.join(", ")}) with ${whole(tokens)} different tokens, in ${ZONES} zones.`;
}

/** The replicas, with the arithmetic; and how many it would be if as much was shared as by many requests at once. */
export function serviceTable({ demand, services }: ScalePlan, busy: ScalePlan): string {
  return tableOf(
    [
      "service",
      "CPU µs per request",
      `cores: × ${whole(demand.requestsPerSecond)}/s`,
      `÷ ${PROCESS_CORE_SHARE} each`,
      `replicas: × ${ZONES}/${ZONES - 1}, in threes`,
      "CPU of each",
      "with a zone gone",
      "replicas at the *busy* costs",
    ],
    services.map(({ service, microseconds, cores, needed, replicas, usual, zoneLost }) =>
      row(
        service,
        whole(microseconds),
        cores.toFixed(2),
        needed,
        `**${replicas}**`,
        percent(usual),
        percent(zoneLost),
        replicasOf(busy, service),
      ),
    ),
  );
}

/** What else the plan needs, each with its arithmetic. */
export function restTable(plan: ScalePlan, keptClients: ScalePlan): string {
  const { costs, demand, services } = plan;
  const rate = whole(demand.requestsPerSecond);
  const gateways = replicasOf(plan, "gateway");
  const portfolios = replicasOf(plan, "portfolios");
  const asked = ["gateway", "auth", "users"] as const;
  const pooled = plan.processes - gateways;
  const left = Math.floor((portfolios * (ZONES - 1)) / ZONES);
  return tableOf(
    ["what", "how much", "from"],
    [
      row(
        "questions to auth",
        `${percent(plan.questionShare)} of the requests`,
        `${gateways} gateways see all ${whole(demand.tokens)} tokens; each remembers ${whole(REMEMBERED_TOKENS)}, for ${REMEMBERED_SECONDS} s; it is in the costs above`,
      ),
      row(
        "the same, if a client always comes to the same gateway",
        `${percent(keptClients.questionShare)} of the requests`,
        `then it is ${asked.map((service) => `${replicasOf(keptClients, service)} ${service}`).join(", ")}`,
      ),
      row(
        "PostgreSQL, cores",
        `**${plan.databaseCoresProvided}**`,
        `${rate}/s × ${whole(costs.PostgreSQL)} µs = ${plan.databaseCores.toFixed(2)} ÷ ${DATABASE_CORE_SHARE}; its standby as many`,
      ),
      row(
        "connections at work",
        plan.busyConnections.toFixed(1),
        `${rate}/s × ${((plan.busyConnections / demand.requestsPerSecond) * 1000).toFixed(2)} ms`,
      ),
      row(
        "`DB_MAX_CONNECTIONS`",
        `**${plan.poolSize}**`,
        `as if all were portfolios' and a zone gone: ÷ ${left} × ${CONNECTIONS_PER_BUSY} for bursts, + jobs and events; 10 at least`,
      ),
      row(
        "`max_connections`",
        `**${whole(plan.connections)}**`,
        `(${pooled} replicas + 2 for each of ${services.length - 1} services) × ${plan.poolSize}, + migrations, + 10 %`,
      ),
      row(
        "NATS, cores over all servers",
        `**${Math.max(1, Math.ceil(plan.natsCores / PROCESS_CORE_SHARE))}**`,
        `${rate}/s × ${whole(costs["nats-server"])} µs, × ${2 * NATS_SERVERS - 1}/${NATS_SERVERS} because two of three packets go on to another server: ${plan.natsCores.toFixed(2)} ÷ ${PROCESS_CORE_SHARE}`,
      ),
      row(
        "NATS, traffic",
        `${whole(plan.packetsPerSecond)} packets/s, ${whole(plan.megabytesPerSecond)} MB/s`,
        "what one request sends, as measured, all hops",
      ),
      row(
        "NATS, heartbeats",
        `${whole(plan.heartbeatsPerSecond)} deliveries/s`,
        `${plan.processes} processes × ${plan.processes} × 2.5/s`,
      ),
    ],
  );
}

function replicasOf({ services }: ScalePlan, asked: Service): number {
  return services.find(({ service }) => service === asked)?.replicas ?? 0;
}

/** What the presets of k8s/ carry of the same mix. */
export function presetsTable(plan: ScalePlan): string {
  const text = ({ requestsPerSecond, first }: ReturnType<typeof carriedBy>) =>
    `${whole(Math.floor(requestsPerSecond / 10) * 10)}/s, ${first}`;
  return tableOf(
    [
      "preset",
      `at the autoscaler's target (${percent(AUTOSCALER_TARGET_SHARE)} of the CPU asked for)`,
      `at ${percent(PROCESS_CORE_SHARE)} of a core each`,
      "the same, with a zone gone",
    ],
    PRESETS.map((preset) =>
      row(
        preset.name,
        text(carriedBy(preset, plan, (service) => preset.cores[service] * AUTOSCALER_TARGET_SHARE)),
        text(carriedBy(preset, plan, () => PROCESS_CORE_SHARE)),
        text(carriedBy(preset, plan, () => (PROCESS_CORE_SHARE * (ZONES - 1)) / ZONES)),
      ),
    ),
  );
}
