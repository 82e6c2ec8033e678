import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { ServiceBroker } from "moleculer";
import { brokerOptions } from "../moleculer.config.ts";
import accounts from "./accounts/accounts.service.ts";
import auth from "./auth/auth.service.ts";
import { type ProcessConfig, readProcessConfig } from "./common/broker-config.ts";
import { ConfigurationError, environment } from "./common/config.ts";
import { hearersOf } from "./common/events/hearers.ts";
import { monitoringService } from "./common/monitoring.ts";
import { outsideOf } from "./common/outside.ts";
import { processUnreadiness, untilReady } from "./common/readiness.ts";
import { logReplicas } from "./common/replicas.ts";
import type { OpenService, OpenStep, ServiceModule } from "./common/service.ts";
import { stopInOrder } from "./common/stop.ts";
import { readTracingConfig, type TracingConfig } from "./common/tracing/config.ts";
import { openTracing } from "./common/tracing/open-tracing.ts";
import { contracts } from "./gateway/contracts.ts";
import gateway from "./gateway/gateway.service.ts";
import market from "./market/market.service.ts";
import portfolios from "./portfolios/portfolios.service.ts";
import users from "./users/users.service.ts";

const modules: Readonly<Record<string, ServiceModule>> = {
  gateway,
  auth,
  users,
  portfolios,
  accounts,
  market,
};

const HELP = `Runs one or several services in this process.

  node services/main.ts <service> [<service> …]      services: ${Object.keys(modules).join(", ")}

Or name them in SERVICES, comma separated. Settings come from the environment; the README lists them.`;

/** Reads every setting first, so that a wrong one stops the start before anything is opened. */
function readConfiguration(names: readonly string[]) {
  const faults: string[] = [];
  function attempt<Config>(read: () => Config): Config | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      faults.push(error.message);
      return undefined;
    }
  }
  const process = attempt(() => readProcessConfig(environment));
  const tracing = attempt(() => readTracingConfig(environment));
  const steps = names.map((name) => attempt(() => (modules[name] as ServiceModule)(environment)));
  if (faults.length > 0)
    throw new ConfigurationError([...new Set(faults.flatMap((fault) => fault.split("\n")))].join("\n"));
  return { process: process as ProcessConfig, tracing: tracing as TracingConfig, steps: steps as OpenStep[] };
}

async function run(names: readonly string[]): Promise<void> {
  const config = readConfiguration(names);
  // NATS tells subjects apart by what is between dots: so permissions can be about all nodes of a service.
  const nodeID = `${names.join("-")}.${hostname()}.${process.pid}`;
  const { namespace } = config.process;
  const warn = (message: string) => log.warn(message);
  await openTracing(config.tracing, { services: names, namespace, nodeID, warn });
  const broker = new ServiceBroker(brokerOptions(nodeID, config.process));
  const log = broker.getLogger("process");
  const transporter = config.process.natsUrl ? "NATS" : "the local bus of this process";
  log.info(`Moleculer runtime: ${names.join(", ")} as replica ${nodeID}, transporter ${transporter}`);

  const state = { started: false, stopping: false };
  const opened: OpenService[] = [];
  const unreadiness = processUnreadiness(broker, opened, state);
  stopInOrder({ broker, opened, state, config: config.process, log });

  broker.createService(
    monitoringService({
      host: config.process.metricsHost,
      port: config.process.metricsPort,
      services: names,
      unreadiness,
      metrics: () => opened.flatMap(({ metrics }) => metrics ?? []),
      failed: (error) => die(`METRICS_PORT ${config.process.metricsPort} cannot be opened: ${error.message}`),
    }),
  );
  for (const [index, open] of config.steps.entries()) {
    opened.push(await open(broker.getLogger(names[index] as string), unreadiness, hearersOf(contracts)));
  }
  for (const { schema } of opened) broker.createService(schema);
  await broker.start();
  state.started = true;
  logReplicas(broker, Object.keys(modules), log);
  await untilReady(unreadiness, log);
  for (const { begin } of opened) await begin?.(outsideOf(broker));
  log.info("Server ready to handle concurrent requests");
  process.send?.("ready");
}

function die(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function servicesAsked(): string[] {
  const { values, positionals } = parseArgs({
    options: { help: { type: "boolean", short: "h" } },
    allowPositionals: true,
  });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    process.exit(0);
  }
  const names =
    positionals.length > 0
      ? positionals
      : (environment.SERVICES?.split(",").map((name) => name.trim()) ?? []);
  if (names.length === 0) die(HELP);
  const unknown = names.find((name) => !Object.hasOwn(modules, name));
  if (unknown !== undefined) die(`There is no service "${unknown}".\n\n${HELP}`);
  return [...new Set(names)];
}

try {
  await run(servicesAsked());
} catch (error) {
  if (error instanceof ConfigurationError) die(error.message);
  const { message, cause } = error as Error;
  die(`Could not start: ${message}${cause instanceof Error ? ` ${cause.message}` : ""}`);
}
