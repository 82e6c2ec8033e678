import { describe, expect, it } from "@jest/globals";
import { capacityFaults } from "./rules/capacity.ts";
import { probeFaults } from "./rules/probes.ts";
import { scalingFaults } from "./rules/scaling.ts";
import { shutdownFaults } from "./rules/shutdown.ts";
import { change } from "./support/change.ts";
import { AUTH, CONTAINER, finds, POD } from "./support/finds.ts";
import { render } from "./support/render.ts";

describe("scalingFaults finds", () => {
  const autoscaler = "HorizontalPodAutoscaler butler-auth";
  const budget = "PodDisruptionBudget butler-auth";
  finds(scalingFaults, "high, pooled", [
    [AUTH, "spec.replicas", 3, "has two that set its replicas"],
    [autoscaler, "spec.scaleTargetRef.name", "x", "or none"],
    [autoscaler, "spec.maxReplicas", 2, "scales from more to fewer"],
    [autoscaler, "spec.minReplicas", 2, "has a budget that allows no drain"],
    [budget, "spec.minAvailable", 3, "has a budget that allows no drain"],
    [budget, "spec.minAvailable", undefined, "protects nothing, or allows nothing"],
    [budget, "spec.selector.matchLabels.x", "y", "has several replicas and no disruption budget"],
    [AUTH, "spec.strategy.rollingUpdate.maxUnavailable", 1, "takes away an old pod before"],
    [AUTH, "spec.strategy.rollingUpdate.maxSurge", "50%", "has no limit of new ones"],
    ["Deployment pgbouncer", "spec.replicas", 1, "has a budget that allows no drain"],
    ["PodDisruptionBudget nats", "spec.maxUnavailable", 3, "protects nothing"],
  ]);
});

describe("capacityFaults finds", () => {
  const fewer = (was: unknown) => String(Number(was) - 100);
  const annotation = "metadata.annotations.butler/postgresql-max-connections";
  const pools = ["ConfigMap butler-database", "data.DB_MAX_CONNECTIONS"] as const;
  finds(capacityFaults, "production", [
    ["Namespace butler", annotation, fewer, "and allows 1150"],
    [...pools, "60", "PostgreSQL may be asked for 1469 connections and allows 1250"],
    ["HorizontalPodAutoscaler butler-portfolios", "spec.maxReplicas", 4, "PostgreSQL may be asked for 1282"],
    [AUTH, "spec.strategy.rollingUpdate.maxSurge", 2, "PostgreSQL may be asked for"],
    [AUTH, "spec.minReadySeconds", 5, "PostgreSQL may be asked for"],
  ]);
  finds(capacityFaults, "dev", [
    [AUTH, "spec.replicas", 3, "PostgreSQL may be asked for"],
    [...pools, "25", "PostgreSQL may be asked for"],
  ]);
  const ini = (line: string) => (was: unknown) =>
    String(was).replace(new RegExp(`^${line.replace(/ = .*/, "")} = .*$`, "m"), line);
  finds(capacityFaults, "high, pooled", [
    [...pools, "250", "PgBouncer may be asked for 12100 connections and allows 10000"],
    ["HorizontalPodAutoscaler butler-market", "spec.maxReplicas", 20, "PgBouncer may be asked for"],
    ["ConfigMap pgbouncer", "data.pgbouncer\\.ini", ini("max_client_conn = 9000"), "and allows 9000"],
    [
      "ConfigMap pgbouncer",
      "data.pgbouncer\\.ini",
      ini("default_pool_size = 20"),
      "PostgreSQL may be asked for",
    ],
    [
      "ConfigMap pgbouncer",
      "data.pgbouncer\\.ini",
      ini("reserve_pool_size = 10"),
      "PostgreSQL may be asked for",
    ],
    ["Deployment pgbouncer", "spec.replicas", 3, "PostgreSQL may be asked for"],
  ]);
  it("an overlay that does not say what PostgreSQL allows", async () => {
    const documents = await render("production");
    change(documents, { of: "Namespace butler", path: annotation });
    expect(() => capacityFaults(documents)).toThrow("has no butler/postgresql-max-connections");
  });
});

describe("shutdownFaults finds", () => {
  const grace = `${POD}.terminationGracePeriodSeconds`;
  finds(shutdownFaults, "high, pooled", [
    [AUTH, grace, 37, "is killed after 37 s, but stops in up to 10 + 20 + 3 s"],
    [AUTH, grace, undefined, "is killed after 30 s"],
    [AUTH, grace, 60, "goes on with a roll-out before a pod that stops (60 s)"],
    [AUTH, "spec.minReadySeconds", 10, "goes on with a roll-out"],
    [
      AUTH,
      `${CONTAINER}.lifecycle`,
      { preStop: { sleep: { seconds: 5 } } },
      "has a hook beside its own pause",
    ],
    ["ConfigMap butler-process", "data.SHUTDOWN_PAUSE_SECS", "5", "pauses for 5 s only"],
    ["ConfigMap butler-process", "data.SHUTDOWN_PAUSE_SECS", "20", "stops in up to 20 + 20 + 3 s"],
    ["ConfigMap butler-process", "data.SHUTDOWN_TIMEOUT_SECS", "30", "stops in up to 10 + 30 + 3 s"],
    ["StatefulSet nats", grace, 35, "is killed after 35 s, but its clients leave in 5 + 30 s"],
    ["Deployment pgbouncer", grace, 100, "but its clients leave in up to 120 s"],
    ["Deployment pgbouncer", "spec.minReadySeconds", 10, "goes on with a roll-out"],
    ["ConfigMap butler-database", "data.DB_MAX_LIFETIME_SECS", "", "but its clients leave in up to 1800 s"],
  ]);
});

describe("probeFaults finds", () => {
  finds(probeFaults, "production", [
    [AUTH, `${CONTAINER}.startupProbe`, undefined, "has not all probes"],
    [AUTH, `${CONTAINER}.ports.0.containerPort`, 3031, "is probed at another port"],
    ["ConfigMap butler-process", "data.METRICS_PORT", "3031", "is probed at another port"],
    [AUTH, `${CONTAINER}.livenessProbe.httpGet.path`, "/healthz", "a page that it does not have"],
    [AUTH, `${CONTAINER}.livenessProbe.httpGet.path`, "/ready", "is restarted for what is outside it"],
    [AUTH, `${CONTAINER}.startupProbe.httpGet.path`, "/ready", "is not given the time to become ready"],
    [AUTH, `${CONTAINER}.readinessProbe.httpGet.path`, "/health", "something else than whether it is ready"],
    [AUTH, `${CONTAINER}.startupProbe.failureThreshold`, 149, "before it can have started"],
    [AUTH, `${CONTAINER}.livenessProbe.periodSeconds`, 5, "for a moment's silence"],
    [AUTH, `${CONTAINER}.readinessProbe.timeoutSeconds`, 2, "is not ready before it can say why"],
    [AUTH, `${CONTAINER}.readinessProbe.failureThreshold`, 4, "is taken out after it has stopped"],
  ]);
});
