import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Service, ServiceBroker, ServiceSchema } from "moleculer";
import ApiGateway from "moleculer-web";
import type { Principal } from "../common/principal.ts";
import { problemOf } from "../common/problem.ts";
import type { Log, ServiceModule } from "../common/service.ts";
import { authenticator } from "./authenticate.ts";
import { type GatewayConfig, readGatewayConfig } from "./config.ts";
import { contracts } from "./contracts.ts";
import { type HandlerDependencies, routeHandler } from "./handle.ts";
import { sendProblem } from "./problem-response.ts";
import { type Page, publicPages } from "./public-pages.ts";
import { type Route, routesOfContracts } from "./routes.ts";
import { createHttpServer } from "./server.ts";
import { refuseUnrouted } from "./unrouted.ts";

const MAX_URL_LENGTH = 8192;
/** Once stopped, sockets that are still open after this are cut. */
const LAST_REPLIES_MS = 5_000;
const REQUEST_ID = /^[\w-]{8,64}$/;

/** What moleculer-web adds to a service and to a request, as far as it is used here. */
type Gateway = Service & {
  server: Server;
  aliases: { toString(): string }[];
  addRoute(route: object): void;
  httpHandler(request: IncomingMessage, response: ServerResponse): Promise<void>;
};
type RoutedRequest = IncomingMessage & {
  originalUrl: string;
  requestId: string;
  $params?: { params: Record<string, string> };
};
type Handler = (request: RoutedRequest, response: ServerResponse) => void;

const mixin = ApiGateway as unknown as ServiceSchema & { methods: { httpHandler: Gateway["httpHandler"] } };

/**
 * The only process that clients reach. moleculer-web listens and finds the route; what happens with a request is ours
 * (`handle.ts`).
 */
const service: ServiceModule = (environment) => {
  const config = readGatewayConfig(environment);

  return async (log, unreadiness) => {
    const routes = routesOfContracts(contracts);
    const pages = publicPages({ routes, publicUrl: config.publicUrl, unreadiness });
    const state = { draining: false };
    let server: Server | undefined;

    const schema = {
      name: "gateway",
      mixins: [mixin],
      settings: { ip: config.host, port: config.port, ...webSettings },
      created(this: Gateway) {
        server = this.server;
        const dependencies = dependenciesOf(this.broker, config, state, log);
        this.addRoute({ ...webRoute, aliases: aliasesOf(routes, pages, dependencies) });
        // moleculer-web writes each request's alias into a debug line, whether or not it is logged.
        for (const alias of this.aliases) {
          const text = alias.toString();
          alias.toString = () => text;
        }
      },
      stopped() {
        setTimeout(() => server?.closeAllConnections(), LAST_REPLIES_MS).unref();
      },
      methods: {
        createServer(this: Gateway) {
          this.server = createHttpServer((request, response) => void this.httpHandler(request, response));
        },
        httpHandler(this: Gateway, request: RoutedRequest, response: ServerResponse) {
          return prepare(request, response)
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
      drain: () => {
        state.draining = true;
        server?.closeIdleConnections();
      },
    };
  };
};
export default service;

/** Logging, CORS and error pages of moleculer-web stay off: all replies are ours. */
const webSettings = {
  routes: null,
  optimizeOrder: false,
  logRequest: null,
  logRequestParams: null,
  logResponse: null,
  logRouteRegistration: null,
  onError(request: RoutedRequest, response: ServerResponse, error: Error) {
    const { code, data } = problemOf(error);
    // What moleculer-web itself throws is about a path that cannot be decoded.
    sendProblem(response, code === "INTERNAL_ERROR" ? "MALFORMED_REQUEST" : code, data, request.originalUrl);
  },
};

const webRoute = {
  path: "/",
  mappingPolicy: "restrict",
  bodyParsers: false,
  mergeParams: false,
  logging: false,
  etag: false,
  pathToRegexpOptions: { sensitive: true },
};

/** Gives the request its id, and takes `/api` off its address. Refuses an address that is too long. */
function prepare(request: RoutedRequest, response: ServerResponse): boolean {
  const { headers, url = "/" } = request;
  const given = headers["x-request-id"];
  request.requestId = typeof given === "string" && REQUEST_ID.test(given) ? given : randomUUID();
  // moleculer-web reads the id from here, and prefers the second.
  headers["x-request-id"] = request.requestId;
  delete headers["x-correlation-id"];
  if (url.startsWith("/api/")) request.url = url.slice("/api".length);
  request.originalUrl = request.url ?? "/";
  if (url.length <= MAX_URL_LENGTH) return true;
  sendProblem(response, "URI_TOO_LONG", {}, "/", { Connection: "close" });
  return false;
}

function dependenciesOf(
  broker: ServiceBroker,
  config: GatewayConfig,
  state: { readonly draining: boolean },
  log: Log,
): HandlerDependencies {
  const call: HandlerDependencies["call"] = (action, params, { principal, timeoutMs, requestId }) =>
    broker.call(action, params, { meta: { principal }, timeout: timeoutMs, requestID: requestId });
  const { authenticate } = authenticator({
    cacheSeconds: config.principalCacheSeconds,
    ask: (token, requestID) =>
      broker.call<Principal, { token: string }>(
        "auth.authenticate",
        { token },
        { timeout: config.requestTimeoutMs, requestID },
      ),
  });
  return {
    authenticate,
    call,
    requestTimeoutMs: config.requestTimeoutMs,
    isDraining: () => state.draining,
    log,
  };
}

/** Every route as moleculer-web's alias, the most used first, because it tries them in this order. */
function aliasesOf(routes: readonly Route[], pages: readonly Page[], dependencies: HandlerDependencies) {
  const aliases: Record<string, Handler> = {};
  function add(method: string, pattern: string, handler: Handler): void {
    aliases[`${method} ${pattern}`] = handler;
    if (method === "GET") aliases[`HEAD ${pattern}`] = handler;
  }
  for (const route of routes) {
    const handle = routeHandler(route, dependencies);
    add(route.method, route.pattern, (request, response) => {
      // For OPTIONS, moleculer-web looks up the method that a preflight asks about; nothing of it may run.
      if (request.method === "OPTIONS") return refuseUnrouted([...routes, ...pages], request, response);
      const { originalUrl, requestId } = request;
      const queryAt = originalUrl.indexOf("?");
      void handle(request, response, {
        requestId,
        pathParameters: request.$params?.params ?? {},
        query: queryAt === -1 ? "" : originalUrl.slice(queryAt + 1),
      });
    });
  }
  for (const page of pages) {
    add(page.method, page.pattern, (request, response) => {
      if (request.method === "OPTIONS") return refuseUnrouted([...routes, ...pages], request, response);
      void page.serve(response, request.$params?.params ?? {});
    });
  }
  return aliases;
}
