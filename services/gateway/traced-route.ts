import { tracing } from "../common/tracing.ts";
import { CLIENT_LEFT, type RouteHandler } from "./handle.ts";
import type { Route } from "./routes.ts";

/** The least status that is a failure of ours. */
const LEAST_FAULT = 500;

/**
 * A route whose requests are traces, or go on with those that their clients name; `traceresponse` tells which (W3C Trace
 * Context, Level 2). The route itself while tracing is off. What is asked of other addresses (health, documentation,
 * nothing at all) begins no trace.
 */
export function tracedRoute({ method, path, pattern }: Route, handle: RouteHandler): RouteHandler {
  const on = tracing;
  if (!on) return handle;
  const name = `${method} ${pattern}`;
  return (request, response, received) => {
    const attributes = {
      "http.request.method": request.method ?? method,
      // As in the metrics.
      "http.route": path,
      "http.request.id": received.requestId,
    };
    const span = on.first({ name, kind: "server", attributes }, request.headers);
    response.setHeader("traceresponse", span.carried.traceparent);
    response.once("close", () => {
      const status = response.writableEnded ? response.statusCode : CLIENT_LEFT;
      span.set("http.response.status_code", status);
      if (status >= LEAST_FAULT) span.failed(String(status));
      span.end();
    });
    return span.run(() => handle(request, response, received));
  };
}
