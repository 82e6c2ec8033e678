import { randomUUID } from "node:crypto";
import market from "../../services/market/market.service.ts";
import { principalOf, startBroker } from "../support/broker.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";

export interface TestMarket {
  readonly database: TestDatabase;
  /** Calls an action of the service as a signed-in user. */
  asUser<Result>(action: string, params: object): Promise<Result>;
  asAdministrator<Result>(action: string, params: object): Promise<Result>;
  /** With an administrator's personal access token that may read the market. */
  asScript<Result>(action: string, params: object): Promise<Result>;
  /** As another service does. */
  asService<Result>(action: string, params: object): Promise<Result>;
  stop(): Promise<void>;
}

/** The market service with a database of its own, with the seeds in it. */
export async function startMarket(environment: Readonly<Record<string, string>> = {}): Promise<TestMarket> {
  const database = await cloneDatabase();
  const services = await startBroker([market], {
    DATABASE_URL: database.url,
    DB_MIN_CONNECTIONS: "2",
    ...environment,
  });
  const user = principalOf(randomUUID());
  const administrator = principalOf(randomUUID(), { roles: ["administrator"] });
  const script = principalOf(administrator.userId, { roles: administrator.roles, scopes: ["market:read"] });
  return {
    database,
    asUser: (action, params) => services.callAs(user, `market.${action}`, params),
    asAdministrator: (action, params) => services.callAs(administrator, `market.${action}`, params),
    asScript: (action, params) => services.callAs(script, `market.${action}`, params),
    asService: (action, params) => services.callAs(undefined, `market.${action}`, params),
    async stop() {
      await services.stop();
      await database.drop();
    },
  };
}
