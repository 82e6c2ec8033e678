import { contracts } from "../../services/gateway/contracts.ts";
import { openApiDocument } from "../../services/gateway/openapi.ts";
import { routesOfContracts } from "../../services/gateway/routes.ts";
import { type OpenApiDocument, type ReplyCheck, replyCheck } from "./openapi.ts";

/** The gateways whose replies are checked, by their origins. */
const origins = new Set<string>();
let check: ReplyCheck | undefined;

/** From now on, every reply that this test fetches from a gateway must be as the OpenAPI document says. */
export function checkReplies(url: string): void {
  if (!check) {
    const document = openApiDocument(routesOfContracts(contracts), undefined);
    check = replyCheck(JSON.parse(JSON.stringify(document)) as OpenApiDocument);
    globalThis.fetch = checkedFetch(globalThis.fetch, check);
  }
  origins.add(new URL(url).origin);
}

function checkedFetch(unchecked: typeof fetch, { faultOf }: ReplyCheck): typeof fetch {
  return async (input, init) => {
    const response = await unchecked(input, init);
    const url = new URL(input instanceof Request ? input.url : input);
    if (!origins.has(url.origin)) return response;
    const text = await response
      .clone()
      .text()
      .catch(() => undefined);
    // One that is cut on the way is whatever test's that cuts it.
    if (text === undefined) return response;
    const fault = faultOf({
      method: init?.method ?? "GET",
      path: url.pathname,
      status: response.status,
      contentType: response.headers.get("content-type"),
      text,
    });
    if (fault) throw new Error(fault);
    return response;
  };
}
