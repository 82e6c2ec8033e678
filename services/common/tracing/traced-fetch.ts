import { type Span, tracing } from "../tracing.ts";

/** A request to somebody outside as a span: who is asked, and nothing of what. */
export function tracedFetch<Result extends { readonly status: number }>(
  { host }: { readonly host: string },
  method: string,
  fetch: () => Promise<Result>,
): Promise<Result> {
  if (!tracing?.isRecording()) return fetch();
  const attributes = { "server.address": host, "http.request.method": method };
  return tracing.below({ name: method, kind: "client", attributes }, async (span: Span | undefined) => {
    const reply = await fetch();
    span?.set("http.response.status_code", reply.status);
    return reply;
  });
}
