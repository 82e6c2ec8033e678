import { randomBytes } from "node:crypto";
import { freePort } from "../../../scripts/development/processes.ts";
import { cloneDatabase, type TestDatabase } from "../../support/database.ts";
import { AUDIENCE, startIssuer } from "../../support/issuer.ts";
import { type Replica, startReplica, untilReady } from "../../support/system.ts";
import { serviceNames } from "./code.ts";
import { containerOf, type Document, servicesOf, type Workload } from "./documents.ts";
import { settingsOf } from "./settings.ts";

/** What a service is given beside its manifest's settings: secrets, and the addresses of this machine. */
export type Own = (service: string) => Readonly<Record<string, string>>;

export interface Live {
  readonly replicas: readonly Replica[];
  readonly url: string;
  /** A request of a user; a path, or a personal access token in place of the user's own. */
  request(method: string, path: string, body?: unknown, token?: string): Promise<Response>;
  stop(): Promise<void>;
}

/** Every service as its Deployment would start it, with its settings and its arguments, in real processes. */
export async function startLive(
  documents: readonly Document[],
  own: Own,
  database?: TestDatabase,
): Promise<Live> {
  const [issuer, port] = await Promise.all([startIssuer(), freePort()]);
  const made = database ?? (await cloneDatabase());
  const here = {
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: AUDIENCE,
    DATABASE_URL: made.url,
    CREDENTIALS_KEYS: `test:${randomBytes(32).toString("base64")}`,
    SERVER_HOST: "127.0.0.1",
    METRICS_HOST: "127.0.0.1",
    SHUTDOWN_PAUSE_SECS: "0",
    FETCH_ALL_COINS_ENABLED: "false",
    SCHEDULED_SYNC_ENABLED: "false",
    EOD_SNAPSHOT_ENABLED: "false",
    HOURLY_SNAPSHOT_ENABLED: "false",
    LOG_LEVEL: "info",
  };
  const replicas: Replica[] = [];
  async function start(deployment: Workload): Promise<void> {
    const [service = ""] = containerOf(deployment).args ?? [];
    const gateway = service === "gateway" ? { SERVER_PORT: String(port) } : {};
    const { METRICS_PORT: _, ...settings } = Object.fromEntries(settingsOf(deployment, documents));
    replicas.push(await startReplica(service, { ...settings, ...here, ...gateway, ...own(service) }));
  }
  const live: Live = {
    replicas,
    url: `http://127.0.0.1:${port}`,
    async request(method, path, body, token) {
      return fetch(live.url + path, {
        method,
        headers: {
          Authorization: `Bearer ${token ?? (await issuer.token("alice"))}`,
          ...(body !== undefined && { "Content-Type": "application/json" }),
        },
        body: body === undefined ? null : JSON.stringify(body),
      });
    },
    async stop() {
      await Promise.all(replicas.map((replica) => replica.stop()));
      await issuer.stop();
      if (!database) await made.drop();
    },
  };
  const starts = await Promise.allSettled(servicesOf(documents).map(start));
  const failed = starts.find((result) => result.status === "rejected");
  if (failed || replicas.length !== serviceNames.length) {
    await live.stop();
    throw failed?.reason ?? new Error("Not every service has a Deployment.");
  }
  await untilReady(`${live.url}/ready`);
  return live;
}

/** A request that must succeed; answers its JSON, or undefined. */
export async function succeed(live: Live, ...request: Parameters<Live["request"]>): Promise<unknown> {
  const reply = await live.request(...request);
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${request[0]} ${request[1]} was answered ${reply.status}: ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

/**
 * A user's life that takes every way between the services: each call that one makes of another, and each event that
 * one tells another.
 */
export async function liveOnce(live: Live): Promise<void> {
  const ask = async <Result>(...request: Parameters<Live["request"]>) =>
    (await succeed(live, ...request)) as Result;
  const { id } = await ask<{ id: string }>("POST", "/v1/portfolios", { name: "Main" });
  const byHand = await ask<{ id: string }>("POST", "/v1/accounts", { name: "A", account_type: "manual" });
  await ask("POST", "/v1/accounts", {
    name: "B",
    account_type: "wallet",
    wallet_address: "0x52908400098527886E0F7030069857D2E4169EE7",
    enabled_chains: ["ethereum"],
  });
  await ask("PUT", `/v1/accounts/${byHand.id}/holdings`, [{ asset: "BTC", quantity: "1" }]);
  await ask("POST", `/v1/portfolios/${id}/accounts`, { account_id: byHand.id });
  const { holdings } = await ask<{ holdings: unknown[] }>("GET", `/v1/portfolios/${id}/holdings`);
  if (holdings.length !== 1) throw new Error("The holdings are not all there.");
  const { token } = await ask<{ token: string }>("POST", "/v1/tokens", {
    name: "Script",
    scopes: ["portfolios:read", "portfolios:write"],
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    portfolio_id: id,
  });
  await ask("GET", `/v1/portfolios/${id}`, undefined, token);
  await ask("PATCH", "/v1/me", { base_currency: "EUR" });
  await ask("DELETE", `/v1/accounts/${byHand.id}`);
  await until(async () => (await ask<unknown[]>("GET", `/v1/portfolios/${id}/accounts`)).length === 0);
  await ask("GET", "/v1/me/export");
  await ask("DELETE", "/v1/me");
}

/** Waits until it is so. */
export async function until(isSo: () => Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`It was not so within ${timeoutMs} ms: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
