import { ServiceBroker } from "moleculer";
import type { Environment } from "../../services/common/config.ts";
import { hearersOf } from "../../services/common/events/hearers.ts";
import { outsideOf } from "../../services/common/outside.ts";
import type { Principal } from "../../services/common/principal.ts";
import type { OpenService, ServiceModule } from "../../services/common/service.ts";
import { contracts } from "../../services/gateway/contracts.ts";

export interface TestBroker {
  readonly broker: ServiceBroker;
  /** Calls an action as a user, without the gateway, as another process on NATS could. */
  callAs<Result>(principal: Principal | undefined, action: string, params: object): Promise<Result>;
  stop(): Promise<void>;
}

/** Real services on a real broker, in this process; neighbours come as small services of the same contract. */
export async function startBroker(
  modules: readonly ServiceModule[],
  environment: Environment,
  options: { /** Jobs and events run too. */ readonly background?: boolean } = {},
): Promise<TestBroker> {
  const broker = new ServiceBroker({
    logger: false,
    validator: false,
    skipProcessEventRegistration: true,
    requestTimeout: 10_000,
  });
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const opened: OpenService[] = [];
  for (const module of modules) {
    opened.push(await module(environment)(silent, async () => undefined, hearersOf(contracts)));
  }
  for (const { schema } of opened) broker.createService(schema);
  await broker.start();
  if (options.background) for (const { begin } of opened) await begin?.(outsideOf(broker));
  return {
    broker,
    callAs: (principal, action, params) =>
      broker.call(action, params, { meta: principal ? { principal } : {} }),
    async stop() {
      if (options.background) await Promise.all(opened.map(({ end }) => end?.()));
      await broker.stop();
      for (const { close } of opened) await close?.();
    },
  };
}

/** A principal as `auth` makes them. */
export function principalOf(userId: string, changes: Partial<Principal> = {}): Principal {
  return {
    userId,
    subject: `subject-${userId}`,
    issuer: "https://issuer.example",
    roles: [],
    scopes: "all",
    issuedAt: Math.floor(Date.now() / 1000),
    expiresAt: Math.floor(Date.now() / 1000) + 3600,
    ...changes,
  };
}
