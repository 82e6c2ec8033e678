import { isPublicHost } from "../common/outgoing/public-address.ts";
import { invalidMember } from "./refusal.ts";

/**
 * A URL that may be asked from inside the cluster, as the URL standard writes it. Names are judged as they are: what
 * they resolve to is for whoever connects to check, at that moment.
 * @throws VALIDATION_FAILED
 */
export function checkedRpcUrl(text: string): string {
  if (!URL.canParse(text)) throw invalidMember("rpc_url", "must be a URL");
  const url = new URL(text);
  if (url.protocol !== "https:") throw invalidMember("rpc_url", "must be a URL that starts with https://");
  if (url.username || url.password) {
    throw invalidMember("rpc_url", "must not have a user name or password");
  }
  if (!isPublicHost(url.hostname)) {
    throw invalidMember("rpc_url", "must be at a public host: no private, loopback or link-local address");
  }
  return text;
}
