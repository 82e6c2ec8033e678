import { readDatabaseSettings } from "../common/database/config.ts";
import { openDatabase } from "../common/database/database.ts";
import { databaseProblem } from "../common/database/errors.ts";
import { implement } from "../common/implement.ts";
import type { ServiceModule } from "../common/service.ts";
import { market } from "../market/contract.ts";
import { readAccountsConfig } from "./config.ts";
import { accounts } from "./contract.ts";
import { accountHandlers } from "./handlers.ts";
import { migrations } from "./migrations/index.ts";
import { credentialSeal } from "./seal.ts";

/** Users' accounts and what is in them. Every statement names the user, so nobody reaches another's. */
const service: ServiceModule = (environment) => {
  const settings = readDatabaseSettings("accounts", environment);
  const { credentialsKeys } = readAccountsConfig(environment);

  return async (log) => {
    const database = await openDatabase({ settings, entities: [], migrations, log });
    const schema = implement({
      contract: accounts,
      uses: [market],
      problemBehind: databaseProblem,
      handlers: accountHandlers({ pool: database.pool, seal: credentialSeal(credentialsKeys) }),
    });
    return { schema, uses: [market.name], unreadiness: database.unreadiness, close: database.close };
  };
};
export default service;
