import { type BrokerOptions, Errors } from "moleculer";
import { pino } from "pino";
import pretty from "pino-pretty";
import type { ProcessConfig } from "./services/common/broker-config.ts";
import { attempts } from "./services/common/liveness/attempts.ts";
import { Discovery, inTurn, listening } from "./services/common/liveness/discovery.ts";
import { droppingDuplicates } from "./services/common/liveness/duplicates.ts";
import { overdue } from "./services/common/liveness/overdue.ts";
import { Pulse } from "./services/common/liveness/pulse.ts";
import { refusingStale } from "./services/common/liveness/stale.ts";
import { undelivered } from "./services/common/liveness/undelivered.ts";
import { logFields } from "./services/common/log-fields.ts";
import { natsState } from "./services/common/nats.ts";
import { tracedCalls } from "./services/common/tracing/traced-calls.ts";
import { gatheredSends } from "./services/common/transport.ts";

/** No call is ever without an end; the gateway gives each request its own, shorter one. */
const REQUEST_TIMEOUT_MS = 40_000;

/** How each process's broker is set up, so that nothing hangs and nothing gets lost in silence. */
export function brokerOptions(nodeID: string, config: ProcessConfig): BrokerOptions {
  const pulse = new Pulse();
  const discovery = new Discovery(pulse);
  return {
    nodeID,
    namespace: config.namespace,
    logger: { type: "Pino", options: { level: logLevels(config), pino: pinoOptions(config) } },
    ...(config.natsUrl && { transporter: natsTransporter(nodeID, config.natsUrl) }),
    // JSON, so contracts hold only what JSON can say; measured the fastest of Moleculer's serializers.
    serializer: "JSON",
    requestTimeout: REQUEST_TIMEOUT_MS,
    maxCallLevel: 10,
    // Without it, a stopping service would be closed under its requests.
    tracking: { enabled: true, shutdownTimeout: config.shutdownTimeoutSeconds * 1000 },
    registry: { discoverer: discovery, strategy: inTurn(discovery), preferLocal: true, stopDelay: 100 },
    transit: { maxQueueSize: 50_000, serviceChangedDebounceTime: 20 } as never,
    // Contracts validate, in `implement`.
    validator: false,
    cacher: false,
    // Moleculer's own cost a twentieth of a request and are in milliseconds; ours: `metrics.ts`, `transport.ts`.
    metrics: false,
    // Moleculer's own spans carry all parameters; ours: `tracing.ts`.
    tracing: false,
    // `main.ts` handles signals, in the right order.
    skipProcessEventRegistration: true,
    internalServices: true,
    errorRegenerator: new StacklessErrors(),
    middlewares: [
      natsState,
      gatheredSends,
      undelivered,
      listening(discovery),
      refusingStale(pulse),
      // Around it, so that the second copy of a request that was refused is not executed either.
      droppingDuplicates(),
      overdue(),
      ...tracedCalls(),
      attempts(),
    ],
  };
}

/** Errors cross the wire without their stacks: those are for the log of the process where they arose. */
class StacklessErrors extends Errors.Regenerator {
  override extractPlainError(error: Error): Errors.PlainMoleculerError {
    const { stack: _, ...plain } = super.extractPlainError(error);
    return plain as Errors.PlainMoleculerError;
  }
}

/** The option `url` is not used: Moleculer would drop its `tls://` and not decode its password. */
function natsTransporter(name: string, urls: readonly string[]): NonNullable<BrokerOptions["transporter"]> {
  const [first] = urls.map((url) => new URL(url)) as [URL];
  return {
    type: "NATS",
    options: {
      servers: urls.map((url) => new URL(url).host),
      name,
      ...(first.username && {
        user: decodeURIComponent(first.username),
        pass: decodeURIComponent(first.password),
      }),
      ...(first.protocol === "tls:" && { tls: {} }),
      timeout: 5_000,
      // A second line behind the probe of `liveness/`: the client's own would take minutes.
      pingInterval: 2_000,
      maxPingOut: 2,
      reconnectTimeWait: 250,
      reconnectJitter: 100,
      // A server that is being set up anew refuses for a moment; the client would give up for good.
      ignoreAuthErrorAbort: true,
    },
  };
}

/** Moleculer's own start-up lines say nothing that ours do not. */
function logLevels({ logLevel }: ProcessConfig) {
  const ours = {
    PROCESS: logLevel,
    GATEWAY: logLevel,
    AUTH: logLevel,
    USERS: logLevel,
    PORTFOLIOS: logLevel,
    ACCOUNTS: logLevel,
    MARKET: logLevel,
    // It has nothing to say but each attempt to connect that fails; see `first-connection.ts`.
    TRANSPORTER: "fatal" as const,
  };
  return logLevel === "info" ? { ...ours, "**": "warn" as const } : logLevel;
}

function pinoOptions({ logLevel, logFormat }: ProcessConfig) {
  const isPretty = logFormat === "pretty" || (logFormat === undefined && process.stdout.isTTY);
  return {
    options: {
      level: logLevel,
      timestamp: pino.stdTimeFunctions.isoTime,
      mixin: logFields,
      formatters: { level: (label: string) => ({ level: label }) },
      // A credential that somebody passes to the log by mistake stays out of it.
      redact: [
        "*.authorization",
        "*.token",
        "*.password",
        "*.headers",
        "*.api_key",
        "*.api_secret",
        "*.passphrase",
      ],
    },
    // At once and in order, also the last lines before an exit; on the way of a request nothing is logged.
    destination: isPretty ? pretty(forPeople) : pino.destination({ fd: 1, sync: true }),
  };
}

/** One line each: when, how grave, which process and part of it, what. */
const forPeople = {
  sync: true,
  ignore: "pid,hostname,nodeID,ns,ver,mod",
  messageFormat: "{nodeID} {mod}: {msg}",
};
