import { describe } from "@jest/globals";
import { imageFaults } from "./rules/images.ts";
import { podSecurityFaults } from "./rules/pod-security.ts";
import { referenceFaults } from "./rules/references.ts";
import { schemaFaults } from "./rules/schema.ts";
import { settingsFaults } from "./rules/settings.ts";
import { AUTH, CONTAINER, finds, POD } from "./support/finds.ts";

describe("schemaFaults finds", () => {
  finds(schemaFaults, "production", [
    [AUTH, `${POD}.terminationGracePeriod`, 45, "must NOT have additional properties"],
    [AUTH, `${CONTAINER}.env.0.value`, 3030, "must be string,null"],
    [AUTH, `${CONTAINER}.readinessProbe.httpGet.prot`, "metrics", "additionalProperty"],
    [AUTH, `${POD}.containers`, undefined, "must have required property 'containers'"],
    [AUTH, "apiVersion", "apps/v1beta1", "there is no schema of apps/v1beta1/Deployment"],
    [AUTH, "metadata.name", "Butler_auth", "that is no name"],
    [AUTH, "metadata.name", "butler-users", "butler-users is there twice"],
    ["HorizontalPodAutoscaler butler-auth", "spec.maxReplicas", "3", "must be integer"],
    ["NetworkPolicy butler-nats", "spec.egress.0.ports.0.prot", 4222, "additionalProperty"],
    ["ServiceMonitor butler", "spec.endpoints.0.intervall", "15s", "additionalProperty"],
    ["ServiceMonitor butler", "spec.endpoints.0.interval", "often", "must match pattern"],
    ["PrometheusRule butler", "spec.groups.0.rules.0.expresssion", "up", "additionalProperty"],
    ["PrometheusRule butler", "spec.groups.0.rules.0.for", "long", "must match pattern"],
  ]);
});

describe("podSecurityFaults finds", () => {
  finds(podSecurityFaults, "high, pooled", [
    ["Namespace butler", "metadata.labels", {}, "does not enforce restricted"],
    ["ServiceAccount butler-auth", "automountServiceAccountToken", true, "mounts its token"],
    [AUTH, `${POD}.automountServiceAccountToken`, undefined, "mounts a token"],
    [AUTH, `${POD}.hostNetwork`, true, "shares a namespace of its node"],
    [AUTH, `${POD}.enableServiceLinks`, undefined, "gets variables of Services"],
    [
      AUTH,
      `${POD}.volumes.0`,
      { name: "secrets", hostPath: { path: "/etc" } },
      "of a type that is not allowed",
    ],
    [AUTH, `${POD}.securityContext.runAsNonRoot`, undefined, "may run as root"],
    [AUTH, `${POD}.securityContext.runAsUser`, 0, "runs as no numeric user, or as root"],
    [AUTH, `${POD}.securityContext.seccompProfile`, undefined, "has no seccomp profile"],
    [AUTH, `${CONTAINER}.securityContext.privileged`, true, "is privileged"],
    [AUTH, `${CONTAINER}.securityContext.allowPrivilegeEscalation`, undefined, "may escalate"],
    [AUTH, `${CONTAINER}.securityContext.readOnlyRootFilesystem`, false, "can write to its root"],
    [AUTH, `${CONTAINER}.securityContext.capabilities.drop`, ["NET_RAW"], "keeps capabilities"],
    [AUTH, `${CONTAINER}.securityContext.capabilities.add`, ["SYS_ADMIN"], "adds capabilities"],
    [AUTH, `${CONTAINER}.ports.0.hostPort`, 3030, "opens a port of its node"],
    [AUTH, `${CONTAINER}.resources.limits`, { cpu: "1" }, "has no limit of CPU or of memory"],
    [AUTH, `${CONTAINER}.resources.requests`, { memory: "1Gi" }, "requests no CPU or no memory"],
    ["Job butler-migration-auth", `${CONTAINER}.securityContext`, {}, "can write to its root"],
    ["StatefulSet nats", `${POD}.securityContext`, {}, "nats may run as root"],
    ["Deployment pgbouncer", `${CONTAINER}.securityContext`, undefined, "pgbouncer keeps capabilities"],
  ]);
});

describe("referenceFaults finds", () => {
  finds(referenceFaults, "high, pooled", [
    [AUTH, `${POD}.serviceAccountName`, "butler", "there is no ServiceAccount butler"],
    [AUTH, `${CONTAINER}.envFrom.0.configMapRef.name`, "process", "there is no ConfigMap process"],
    [AUTH, `${CONTAINER}.volumeMounts.0.name`, "temp", "there is no volume temp"],
    [AUTH, `${CONTAINER}.ports.0.name`, "metric", "a probe asks a port that the container does not have"],
    [AUTH, `${CONTAINER}.ports.0.containerPort`, 3031, "port metrics is not the pods'"],
    [AUTH, "spec.selector.matchLabels", { "app.kubernetes.io/name": "users" }, "its selector is wrong"],
    [
      AUTH,
      "spec.selector.matchLabels",
      { "app.kubernetes.io/name": "auth" },
      "the pods of Job butler-migration-auth",
    ],
    [AUTH, `${POD}.topologySpreadConstraints.0.labelSelector.matchLabels.x`, "y", "is of other pods"],
    ["Deployment butler-gateway", `${CONTAINER}.ports.0.name`, "web", "has no port http"],
    ["Service butler-gateway", "spec.selector.x", "y", "selects no pod"],
    ["Service butler-metrics", "spec.ports.0.name", "prometheus", "there is no metrics/metrics"],
    ["Service nats", "spec.ports.0.targetPort", "nats", "has no port nats"],
    [
      "HorizontalPodAutoscaler butler-auth",
      "spec.scaleTargetRef.name",
      "auth",
      "there is no Deployment auth",
    ],
    [
      "HorizontalPodAutoscaler butler-auth",
      "spec.metrics.0.containerResource.container",
      "x",
      "has no container x",
    ],
    ["PodDisruptionBudget butler-auth", "spec.selector.matchLabels", {}, "is not about one workload"],
    ["ServiceMonitor butler", "spec.endpoints.0.path", "/metric", "there is no metrics/metric"],
    ["ServiceMonitor butler", "spec.selector.matchLabels.x", "y", "is not about one Service"],
  ]);
});

describe("settingsFaults finds", () => {
  const process = "ConfigMap butler-process";
  finds(settingsFaults, "production", [
    [process, "data.LOG_LEVELS", "info", "LOG_LEVELS is given, and nobody reads it"],
    [process, "data.LOG_LEVEL", undefined, "LOG_LEVEL is not given"],
    [process, "data.LOG_LEVEL", "loud", "LOG_LEVEL must be fatal, error, warn"],
    [process, "data.NATS_URL", "nats://nats", "NATS_URL is a secret, but not from a Secret"],
    ["ConfigMap butler-database", "data.DB_MIN_CONNECTIONS", "51", "must not be above DB_MAX_CONNECTIONS"],
    ["ConfigMap butler-auth", "data.OIDC_ISSUER", "", "who issues the tokens?"],
    ["ConfigMap butler-auth", "data.OIDC_AUDIENCE", undefined, "OIDC_AUDIENCE is not given"],
    [AUTH, `${CONTAINER}.args`, ["author"], "there is no service author"],
    [AUTH, `${CONTAINER}.args`, ["users"], "There is no Deployment of auth"],
    [AUTH, `${CONTAINER}.env`, [], "DATABASE_URL is not given"],
    [
      AUTH,
      `${POD}.volumes.0.secret.secretName`,
      "butler-users",
      "NATS_URL comes from the Secret butler-users",
    ],
    [
      "Deployment butler-gateway",
      `${CONTAINER}.envFrom.1.configMapRef.name`,
      "x",
      "SERVER_PORT is not given",
    ],
    [
      "Deployment butler-accounts",
      `${POD}.volumes.0.secret.items`,
      [],
      "CREDENTIALS_KEYS_FILE is given, and nobody",
    ],
    [
      "Deployment butler-market",
      `${CONTAINER}.env.0.name`,
      "COINGECKO_URL",
      "COINGECKO_URL comes from a Secret, but is none",
    ],
    [
      "Deployment butler-accounts",
      `${CONTAINER}.env.0`,
      {
        name: "CREDENTIALS_KEYS",
        valueFrom: { secretKeyRef: { name: "butler-accounts", key: "k", optional: true } },
      },
      "CREDENTIALS_KEYS is required, but need not be there",
    ],
    [
      "Job butler-migration-auth",
      `${CONTAINER}.env`,
      [],
      "Job butler-migration-auth: DATABASE_URL is not given",
    ],
  ]);
});

describe("imageFaults finds", () => {
  finds(imageFaults, "high, pooled", [
    [AUTH, `${CONTAINER}.image`, "crypto-pocket-butler", "no overlay says which crypto-pocket-butler"],
    [AUTH, `${CONTAINER}.image`, "example.com/butler:1.0.0", "is not told by its digest"],
    ["StatefulSet nats", `${CONTAINER}.image`, "docker.io/library/nats:latest", "is no exact version"],
    ["Deployment pgbouncer", `${CONTAINER}.image`, "pgbouncer", "no overlay says which pgbouncer"],
    [AUTH, `${CONTAINER}.command`, ["sh", "-c", "sleep 10"], "needs a shell"],
    ["ServiceAccount butler-auth", "kind", "Secret", "is in the repository"],
  ]);
});
