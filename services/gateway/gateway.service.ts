import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { Service, ServiceBroker, ServiceSchema } from "moleculer";
import ApiGateway from "moleculer-web";
import { MAX_REVOCATIONS } from "../auth/contract.ts";
import type { Principal } from "../common/principal.ts";
import { problemOf } from "../common/problem.ts";
import type { Log, OpenService, ServiceModule } from "../common/service.ts";
import { abandonment } from "./abandonment.ts";
import { type Admission, admission } from "./admission.ts";
import { doorOf } from "./admission-door.ts";
import { admissionMetrics } from "./admission-metrics.ts";
import { authenticator } from "./authenticate.ts";
import { type CallerLimits, callerLimits } from "./caller-limits.ts";
import { clientAddresses, sharedConnections } from "./client-address.ts";
import { type GatewayConfig, readGatewayConfig } from "./config.ts";
import { contracts } from "./contracts.ts";
import { Draining } from "./draining.ts";
import { type HandlerDependencies, routeHandler } from "./handle.ts";
import { type IncomingRequest, prepare } from "./incoming.ts";
import { sendProblem } from "./problem-response.ts";
import { type Page, publicPages, servePage } from "./public-pages.ts";
import { rateLimitMetrics } from "./rate-limit-metrics.ts";
import { RevocationList } from "./revocation-list.ts";
import { type Route, routesOfContracts } from "./routes.ts";
import { close, createHttpServer, listen } from "./server.ts";
import { tracedRoute } from "./traced-route.ts";
import { refuseUnrouted } from "./unrouted.ts";

/** A list of revocations that takes longer is too old when it comes. */
const REVOCATIONS_TIMEOUT_MS = 1_000;

/** What moleculer-web adds to a service and to a request, as far as it is used here. */
type Gateway = Service & {
  aliases: { toString(): string }[];
  addRoute(route: object): void;
  httpHandler(request: IncomingMessage, response: ServerResponse): Promise<void>;
};
type RoutedRequest = IncomingRequest & { $params?: { params: Record<string, string> } };
type Handler = (request: RoutedRequest, response: ServerResponse) => void;

const mixin = ApiGateway as unknown as ServiceSchema & { methods: { httpHandler: Gateway["httpHandler"] } };

/**
 * The only process that clients reach. moleculer-web finds the route; the server and what happens with a request are
 * ours (`server.ts`, `handle.ts`).
 */
const service: ServiceModule = (environment) => {
  const config = readGatewayConfig(environment);

  return async (log, unreadiness) => {
    const routes = routesOfContracts(contracts);
    const pages = publicPages({ routes, publicUrl: config.publicUrl, unreadiness });
    const draining = new Draining();
    const entrance = admission(config.maxConcurrentRequests, sharedConnections(config.trustedProxies));
    const door = doorOf(entrance);
    let server: Server | undefined;
    let revocations: RevocationList | undefined;
    let limits: CallerLimits | undefined;

    const schema = {
      name: "gateway",
      mixins: [mixin],
      settings: { ...webSettings, onError: errorHandler(log) },
      created(this: Gateway) {
        const listener: RequestListener = (request, response) => void this.httpHandler(request, response);
        server = createHttpServer(listener, config.maxConnections);
        revocations = revocationsOf(this.broker, log);
        limits = callerLimits(this.broker, config, log);
        const dependencies = dependenciesOf(this.broker, config, { revocations, limits, entrance }, log);
        this.addRoute({ ...webRoute, aliases: aliasesOf(routes, pages, dependencies) });
        // moleculer-web writes each request's alias into a debug line, whether or not it is logged.
        for (const alias of this.aliases) {
          const text = alias.toString();
          alias.toString = () => text;
        }
      },
      async started() {
        revocations?.start();
        entrance.start();
        await listen(server as Server, config.port, config.host);
      },
      async stopped() {
        revocations?.stop();
        limits?.stop();
        entrance.stop();
        await close(server as Server);
      },
      methods: {
        httpHandler(this: Gateway, request: RoutedRequest, response: ServerResponse) {
          draining.heard(response);
          return prepare(request, response) && door.opens(request, response)
            ? mixin.methods.httpHandler.call(this, request, response)
            : undefined;
        },
        send404(request: RoutedRequest, response: ServerResponse) {
          refuseUnrouted([...routes, ...pages], request, response);
        },
      },
    };
    return {
      schema: schema as unknown as ServiceSchema,
      uses: contracts.map(({ name }) => name),
      metrics: metricsOf(entrance),
      async drain() {
        await draining.begin();
        server?.closeIdleConnections();
      },
    };
  };
};
export default service;

/** Logging, CORS and error pages of moleculer-web stay off: all replies are ours. */
const webSettings = {
  server: false,
  routes: null,
  optimizeOrder: false,
  logRequest: null,
  logRequestParams: null,
  logResponse: null,
  logRouteRegistration: null,
};

/** Answers what moleculer-web itself throws: about a path that cannot be decoded, or while it stops. */
function errorHandler(log: Log) {
  return (request: RoutedRequest, response: ServerResponse, error: Error & { readonly type?: unknown }) => {
    const { code, data } =
      error.type === "UNABLE_DECODE_PARAM"
        ? { code: "MALFORMED_REQUEST" as const, data: { detail: "The address cannot be decoded." } }
        : problemOf(error);
    if (code === "INTERNAL_ERROR") log.error({ requestId: request.requestId, err: error }, "Request failed.");
    sendProblem(response, code, data, "/");
  };
}

const webRoute = {
  path: "/",
  mappingPolicy: "restrict",
  bodyParsers: false,
  mergeParams: false,
  logging: false,
  etag: false,
  // moleculer-web itself takes one slash off the end.
  pathToRegexpOptions: { sensitive: true, trailing: false },
};

/** What keeps requests out, or lets them in. */
interface Guards {
  readonly revocations: RevocationList;
  readonly limits: CallerLimits;
  readonly entrance: Admission;
}

function dependenciesOf(
  broker: ServiceBroker,
  config: GatewayConfig,
  { revocations, limits, entrance }: Guards,
  log: Log,
): HandlerDependencies {
  const call: HandlerDependencies["call"] = (action, params, options) => {
    const { principal, address, ticket, timeoutMs, requestId, idempotency } = options;
    const meta = idempotency ? { principal, address, ticket, idempotency } : { principal, address, ticket };
    return broker.call(action, params, { meta, timeout: timeoutMs, requestID: requestId });
  };
  const { authenticate } = authenticator({
    cacheSeconds: config.principalCacheSeconds,
    revocations,
    ask: (token, { requestId: requestID, address }) =>
      broker.call<Principal, { token: string; address: string | undefined }>(
        "auth.authenticate",
        { token, address },
        { timeout: config.requestTimeoutMs, requestID },
      ),
  });
  return {
    authenticate,
    addressOf: clientAddresses(config.trustedProxies),
    limits,
    call,
    abandonment: abandonment(broker),
    gate: entrance.gate,
    pause: entrance.pause,
    requestTimeoutMs: config.requestTimeoutMs,
    log,
  };
}

function metricsOf(entrance: Admission): NonNullable<OpenService["metrics"]> {
  const { metrics, collect } = admissionMetrics(entrance);
  return { metrics: [...metrics, ...rateLimitMetrics], collect };
}

function revocationsOf(broker: ServiceBroker, log: Log): RevocationList {
  return new RevocationList({
    fetch: (after) =>
      broker.call("auth.revocations", after ? { after } : {}, { timeout: REVOCATIONS_TIMEOUT_MS }),
    pageSize: MAX_REVOCATIONS,
    log,
  });
}

/** Every route as moleculer-web's alias, the most used first, because it tries them in this order. */
function aliasesOf(routes: readonly Route[], pages: readonly Page[], dependencies: HandlerDependencies) {
  const aliases: Record<string, Handler> = {};
  function add(method: string, pattern: string, handler: Handler): void {
    aliases[`${method} ${pattern}`] = handler;
    if (method === "GET") aliases[`HEAD ${pattern}`] = handler;
  }
  for (const route of routes) {
    const handle = tracedRoute(route, routeHandler(route, dependencies));
    add(route.method, route.pattern, (request, response) => {
      // For OPTIONS, moleculer-web looks up the method that a preflight asks about; nothing of it may run.
      if (request.method === "OPTIONS") return refuseUnrouted([...routes, ...pages], request, response);
      const { requestId, prefix } = request;
      void handle(request, response, { requestId, prefix, ...addressOf(request) });
    });
  }
  for (const page of pages) {
    add(page.method, page.pattern, (request, response) => {
      if (request.method === "OPTIONS") return refuseUnrouted([...routes, ...pages], request, response);
      servePage(page, addressOf(request).path, response);
    });
  }
  return aliases;
}

function addressOf({ originalUrl, $params }: RoutedRequest) {
  const queryAt = originalUrl.indexOf("?");
  return {
    path: queryAt === -1 ? originalUrl : originalUrl.slice(0, queryAt),
    query: queryAt === -1 ? "" : originalUrl.slice(queryAt + 1),
    parameters: $params?.params ?? {},
  };
}
