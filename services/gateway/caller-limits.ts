import type { ServerResponse } from "node:http";
import type { ServiceBroker } from "moleculer";
import type { RequestCount } from "../auth/contract/request-count.ts";
import { problem } from "../common/problem.ts";
import { replicasOf } from "../common/replicas.ts";
import type { Log } from "../common/service.ts";
import { networkOf } from "./client-address.ts";
import type { GatewayConfig } from "./config.ts";
import { RateLimit } from "./rate-limit.ts";
import { requestsLimited } from "./rate-limit-metrics.ts";
import type { Standing } from "./tally.ts";

/** Counts that come later are of no use. */
const TELL_TIMEOUT_MS = 1_000;

/** Whose requests are counted together: a user's; else those from one network. */
export interface CallerLimits {
  /**
   * Counts a request and writes into its reply how many are left; at once, unless its caller is very fast.
   * @throws RATE_LIMITED when there are none, with Retry-After.
   */
  countUser(userId: string, response: ServerResponse): void | Promise<void>;
  countAddress(address: string | undefined, response: ServerResponse): void | Promise<void>;
  stop(): void;
}

/** The limits as the settings have them, shared with all gateways. */
export function callerLimits(broker: ServiceBroker, config: GatewayConfig, log: Log): CallerLimits {
  const { windowSeconds } = config;
  const shared = {
    windowSeconds,
    tell: (counts: Record<string, number>) =>
      broker.call<Record<string, RequestCount>, object>(
        "auth.countRequests",
        { counts, window_seconds: windowSeconds },
        { timeout: TELL_TIMEOUT_MS },
      ),
    gateways: () => replicasOf(broker, "gateway").length,
    log,
  };
  const users = limitOf("user", config.userLimit, shared);
  const addresses = limitOf("address", config.addressLimit, shared);
  return {
    countUser: (userId, response) => users?.count(userId, response),
    countAddress: (address, response) => addresses?.count(networkOf(address), response),
    stop() {
      users?.stop();
      addresses?.stop();
    },
  };
}

type Shared = Omit<ConstructorParameters<typeof RateLimit>[0], "limit" | "kind">;

function limitOf(kind: "user" | "address", limit: number, shared: Shared) {
  if (limit === 0) return undefined;
  const rates = new RateLimit({ ...shared, kind, limit });
  const policy = `"${kind}";q=${limit};w=${shared.windowSeconds}`;

  /** The headers of draft-ietf-httpapi-ratelimit-headers-10. */
  function tell(response: ServerResponse, { isAdmitted, remaining, resetSeconds, retrySeconds }: Standing) {
    response.setHeader("RateLimit-Policy", policy);
    response.setHeader("RateLimit", `"${kind}";r=${remaining};t=${resetSeconds}`);
    if (isAdmitted) return;
    response.setHeader("Retry-After", String(retrySeconds));
    requestsLimited.labels(kind).inc();
    throw problem("RATE_LIMITED", {
      detail: `There may be ${limit} requests in ${shared.windowSeconds} s. Try again in ${retrySeconds} s.`,
    });
  }

  return {
    count(caller: string, response: ServerResponse): void | Promise<void> {
      const standing = rates.admit(`${kind}:${caller}`);
      if (standing instanceof Promise) return standing.then((told) => tell(response, told));
      tell(response, standing);
    },
    stop: () => rates.stop(),
  };
}
