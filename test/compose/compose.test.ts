import { existsSync, readFileSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readProcessConfig, processVariables as shared } from "../../services/common/broker-config.ts";
import { migrationsOf } from "../../services/migrations.ts";
import {
  filesBehind,
  loadService,
  moduleOf,
  processVariables,
  ROOT,
  serviceNames,
  variablesIn,
} from "../k8s/support/code.ts";
import {
  type ComposeService,
  compose,
  composeText,
  composeVariables,
  networksOf,
  service,
} from "./compose-file.ts";
import { faultsBySchema } from "./schemas.ts";
import { environmentWith, makeSecrets, type Secrets } from "./secrets.ts";

const services = Object.entries(compose.services);
const databases = Object.keys(migrationsOf);
/** Node's own, which no configuration module reads. */
const NODE_VARIABLES = new Set(["NODE_EXTRA_CA_CERTS"]);
/** PostgreSQL keeps so many for superusers. */
const RESERVED_CONNECTIONS = 3;
const PORTFOLIOS_REPLICAS = 4;
const CLOSING_SECONDS = 3;

function secondsOf(duration = ""): number {
  const [, minutes = "0", seconds = "0"] = /^(?:(\d+)m)?(?:(\d+)s)?$/.exec(duration) ?? [];
  return Number(minutes) * 60 + Number(seconds);
}

/** The names of services that fail a check; none is what a test wants. */
function failing(
  of: readonly (readonly [string, ComposeService])[],
  isRight: (each: ComposeService) => boolean,
) {
  return of.filter(([, each]) => !isRight(each)).map(([name]) => name);
}

describe("docker-compose.yml", () => {
  it("is as Compose's own schema says", async () => {
    expect(await faultsBySchema("compose-spec", compose)).toEqual([]);
    const misspelt = { ...compose, services: { ...compose.services, nats: { imagee: "nats" } } };
    expect(await faultsBySchema("compose-spec", misspelt)).not.toEqual([]);
  }, 120_000);

  it("has every service once, and the image of this checkout for each", () => {
    for (const name of serviceNames) {
      expect(service(name)).toMatchObject({
        command: [name],
        build: ".",
        image: expect.stringContaining(":"),
      });
    }
  });

  it("names the exact version of every other image", () => {
    expect(
      failing(
        services,
        ({ image, build }) => build !== undefined || /:v?\d+\.\d+(\.\d+)?(-\w+)?$/.test(image),
      ),
    ).toEqual([]);
  });

  it("publishes the gateway, Keycloak and Grafana, on this machine only", () => {
    const published = services.filter(([, { ports = [] }]) => ports.length > 0);
    expect(published.map(([name]) => name).sort()).toEqual(["gateway", "grafana", "keycloak"]);
    expect(
      published.flatMap(([, { ports = [] }]) => ports).filter((port) => !port.startsWith("127.0.0.1:")),
    ).toEqual([]);
  });

  it("can run any number of replicas: no names, no ports of the machine but the gateway's", () => {
    expect(failing(services, ({ container_name }) => container_name === undefined)).toEqual([]);
    const scaled = serviceNames.filter((name) => name !== "gateway");
    expect(scaled.filter((name) => service(name).ports !== undefined)).toEqual([]);
  });

  it("lets only accounts and market out, the gateway not at the database, and nobody at more than they need", () => {
    const on = (network: string) =>
      services.filter(([, each]) => networksOf(each).includes(network)).map(([name]) => name);
    expect(on("outside")).toEqual(["accounts", "market"]);
    expect(on("edge")).toEqual(["gateway", "keycloak", "grafana"]);
    expect(on("issuer")).toEqual(["auth", "keycloak"]);
    expect(on("broker").sort()).toEqual([...serviceNames, "nats"].sort());
    const migrations = databases.map((name) => `${name}-migration`);
    expect(on("database").sort()).toEqual([...databases, ...migrations, "database-roles", "postgres"].sort());
    const open = Object.entries(compose.networks)
      .filter(([, network]) => !network?.internal)
      .map(([name]) => name);
    expect(open).toEqual(["edge", "outside"]);
    expect(compose.networks.edge?.driver_opts).toEqual({
      "com.docker.network.bridge.enable_ip_masquerade": "false",
    });
    expect(failing(services, (each) => networksOf(each).length > 0 || each.network_mode === "none")).toEqual(
      [],
    );
  });

  it("takes all privileges away, and the file system from what is ours", () => {
    // PostgreSQL's image begins as root to give its files to their user.
    const others = services.filter(([name]) => name !== "postgres");
    expect(failing(others, ({ cap_drop }) => cap_drop?.[0] === "ALL")).toEqual([]);
    expect(
      failing(others, ({ security_opt = [] }) => security_opt.includes("no-new-privileges:true")),
    ).toEqual([]);
    expect(failing(services, ({ privileged, cap_add }) => !privileged && cap_add === undefined)).toEqual([
      "secrets",
    ]);
    const ours = services.filter(([, { build }]) => build !== undefined);
    expect(failing(ours, ({ read_only }) => read_only === true)).toEqual([]);
  });

  it("mounts only files that are there", () => {
    const mounted = services
      .flatMap(([, { volumes = [] }]) => volumes)
      .filter((volume) => volume.startsWith("./"));
    expect(mounted.filter((volume) => !existsSync(join(ROOT, volume.split(":")[0] as string)))).toEqual([]);
    expect(mounted.filter((volume) => !volume.endsWith(":ro"))).toEqual([]);
  });

  it("gives every volume that it declares to somebody, and nobody one that it does not", () => {
    const used = services.flatMap(([, { volumes = [] }]) =>
      volumes.map((volume) => volume.split(":")[0] as string),
    );
    const named = new Set(used.filter((volume) => !volume.startsWith(".")));
    expect([...named].sort()).toEqual(Object.keys(compose.volumes).sort());
  });
});

describe("the order of docker-compose.yml", () => {
  it("waits for health where there is a check, and for an end where there is one", () => {
    const wrong = services.flatMap(([name, { depends_on = {} }]) =>
      Object.entries(depends_on).flatMap(([other, { condition }]) => {
        const { healthcheck } = service(other);
        const expected = healthcheck?.test ? "service_healthy" : "service_completed_successfully";
        return condition === expected ? [] : [`${name} → ${other}: ${condition}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  it("has no circle", () => {
    const visiting = new Set<string>();
    function visit(name: string): void {
      if (visiting.has(name)) throw new Error(`${[...visiting, name].join(" → ")}`);
      visiting.add(name);
      for (const other of Object.keys(service(name).depends_on ?? {})) visit(other);
      visiting.delete(name);
    }
    for (const [name] of services) visit(name);
  });

  it("migrates each service's database before the service starts, and after its role is there", () => {
    for (const name of databases) {
      expect(service(name).depends_on).toHaveProperty(`${name}-migration`);
      expect(service(`${name}-migration`)).toMatchObject({
        entrypoint: ["node", "scripts/migrate.ts", name],
        depends_on: { "database-roles": expect.anything() },
        environment: { DATABASE_URL_FILE: service(name).environment?.DATABASE_URL_FILE },
        volumes: service(name).volumes,
      });
    }
  });

  it("asks each service whether it is ready, by the image's own probe", () => {
    for (const name of serviceNames) {
      expect(service(name).healthcheck?.test).toEqual(["CMD", "node", "scripts/release/probe.ts", "/ready"]);
    }
  });

  it("leaves a service the time that it takes to stop", () => {
    const { shutdownPauseSeconds, shutdownTimeoutSeconds } = readProcessConfig({});
    const needed = shutdownPauseSeconds + shutdownTimeoutSeconds + CLOSING_SECONDS;
    for (const name of serviceNames) {
      expect(secondsOf(service(name).stop_grace_period)).toBeGreaterThan(needed);
    }
  });
});

describe("the settings of docker-compose.yml", () => {
  let secrets: Secrets;
  beforeAll(async () => {
    secrets = await makeSecrets();
  });
  afterAll(() => secrets.remove());

  it.each(serviceNames)(
    "are what %s reads: nothing misspelt, nothing missing, nothing refused",
    async (name) => {
      const known = new Map([
        ...(await processVariables()),
        ...(await variablesIn(filesBehind(moduleOf(name)))),
      ]);
      const given = Object.keys(service(name).environment ?? {});
      const unknown = given.filter(
        (variable) =>
          !NODE_VARIABLES.has(variable) &&
          !known.has(variable) &&
          !known.get(variable.replace(/_FILE$/, ""))?.secret,
      );
      expect(unknown).toEqual([]);
      const environment = environmentWith(secrets, service(name));
      expect(readProcessConfig(environment).natsUrl).toEqual([expect.stringContaining(`nats://${name}:`)]);
      const read = await loadService(name);
      expect(() => read(environment)).not.toThrow();
      if (databases.includes(name)) {
        const { DATABASE_URL_FILE = "" } = environment;
        expect(readFileSync(DATABASE_URL_FILE, "utf8")).toMatch(`postgres://${name}:`);
      }
    },
  );

  it("keep secrets out of the file: they come from files in a volume of the service's own", () => {
    const secretNames = Object.values(shared).flatMap((variable) =>
      "secret" in variable ? [variable.name] : [],
    );
    expect(secretNames).toContain("NATS_URL");
    for (const name of serviceNames) {
      expect(service(name).volumes).toEqual([`secrets-${name}:/run/secrets:ro`]);
      const { environment = {} } = service(name);
      expect(Object.keys(environment).filter((variable) => secretNames.includes(variable))).toEqual([]);
    }
    expect(composeText).not.toMatch(/PASSWORD: (?!\/run\/secrets)/);
  });

  it("name only secrets that a first start makes", () => {
    for (const [name, { environment = {}, volumes = [] }] of services) {
      const volume = volumes
        .find((each) => each.endsWith(":/run/secrets:ro"))
        ?.split(":")[0]
        ?.replace("secrets-", "");
      for (const value of Object.values(environment).filter((each) => each.startsWith("/run/secrets/"))) {
        const file = join(secrets.folder, volume ?? "", value.slice("/run/secrets/".length));
        expect({ name, value, isThere: existsSync(file) }).toEqual({ name, value, isThere: true });
      }
    }
  });

  it("fit the database: all pools, with four replicas of portfolios", async () => {
    const pools = databases.map((name) => {
      const replicas = name === "portfolios" ? PORTFOLIOS_REPLICAS : 1;
      return replicas * Number(service(name).environment?.DB_MAX_CONNECTIONS);
    });
    const [, maximum] = /max_connections=(\d+)/.exec(service("postgres").command?.join(" ") ?? "") ?? [];
    const needed = pools.reduce((sum, pool) => sum + pool, 0) + databases.length + RESERVED_CONNECTIONS;
    expect(needed * 1.1).toBeLessThanOrEqual(Number(maximum));
  });

  it("that a person may set are told in docs/compose.md", async () => {
    const page = await readFile(join(ROOT, "docs/compose.md"), "utf8");
    expect(composeVariables.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  it("have the metrics of every service scraped, and the dashboards where Grafana looks", () => {
    const prometheus = readFileSync(join(ROOT, "deploy/compose/prometheus.yml"), "utf8");
    for (const name of serviceNames) expect(prometheus).toMatch(new RegExp(`names: \\[.*\\b${name}\\b`));
    expect(prometheus).toContain(`port: ${readProcessConfig({}).metricsPort}`);
    expect(
      failing(
        serviceNames.map((name) => [name, service(name)]),
        (each) => networksOf(each).includes("metrics"),
      ),
    ).toEqual([]);
    const provider = readFileSync(join(ROOT, "deploy/grafana/provisioning/dashboards/butler.yml"), "utf8");
    const [, path] = /path: (\S+)/.exec(provider) ?? [];
    expect(service("grafana").volumes).toContain(`./deploy/grafana/dashboards:${path}:ro`);
  });
});

describe("deploy/compose/secrets.sh", () => {
  let secrets: Secrets;
  beforeAll(async () => {
    secrets = await makeSecrets();
  });
  afterAll(() => secrets.remove());

  it("makes secrets that nobody but their owner can read", () => {
    for (const path of ["postgres/password", "keycloak/private-key.pem", "accounts/credentials-keys"]) {
      expect(statSync(join(secrets.folder, path)).mode & 0o777).toBe(0o400);
    }
  });

  it("keeps what it has made, at every further start", async () => {
    const contents = () =>
      [
        "postgres/auth",
        "auth/database-url",
        "auth/nats-url",
        "accounts/credentials-keys",
        "keycloak/private-key.pem",
      ].map((path) => readFileSync(join(secrets.folder, path), "utf8"));
    const before = contents();
    await secrets.make();
    expect(contents()).toEqual(before);
    expect(new Set(before).size).toBe(before.length);
  });
});
