import { readDatabaseSettings } from "../common/database/config.ts";
import { openDatabase } from "../common/database/database.ts";
import { databaseProblem } from "../common/database/errors.ts";
import { openEvents } from "../common/events.ts";
import { openIdempotency } from "../common/idempotency.ts";
import { implement } from "../common/implement.ts";
import type { ServiceModule } from "../common/service.ts";
import { portfolios } from "../portfolios/contract.ts";
import { users } from "../users/contract.ts";
import { accessTokenVerifier } from "./access-token.ts";
import { authentication } from "./authentication.ts";
import { readAuthConfig } from "./config.ts";
import { auth } from "./contract.ts";
import { forgetExpired } from "./erase.ts";
import { signOutHandlers, tokenHandlers, trailHandlers } from "./handlers.ts";
import { openIssuers } from "./issuer-keys.ts";
import { collectKeyMetrics, keyMetrics } from "./key-metrics.ts";
import { logoutTokenVerifier } from "./logout-token.ts";
import { migrations } from "./migrations/index.ts";
import { countRequests, forgetRequestCounts } from "./request-counts.ts";
import { listRevocations } from "./revocations.ts";
import { signOut } from "./sign-out.ts";

/** How often rows that have expired are deleted. */
const FORGET_INTERVAL_MS = 600_000;
const FORGET_COUNTS_INTERVAL_MS = 60_000;

/** Turns access tokens into principals, and keeps what that takes: keys, revocations, tokens, the audit trail. */
const service: ServiceModule = (environment) => {
  const config = readAuthConfig(environment);
  const settings = readDatabaseSettings("auth", environment);

  return async (log, _unreadiness, hearers) => {
    const database = await openDatabase({ settings, entities: [], migrations, log });
    const { pool } = database;
    const events = openEvents({ contract: auth, pool, log, hearers });
    const open = await openIssuers({ ...config, pool, log });
    const { issuers } = open;
    const { algorithms, clientId, maxTokenLifetimeSeconds } = config;
    const verify = accessTokenVerifier({ ...config, issuers, maxLifetimeSeconds: maxTokenLifetimeSeconds });
    const authenticate = authentication({ pool, verify, log });
    const idempotency = openIdempotency({ service: "auth", pool, log });
    const signOuts = signOut({
      events,
      verify: logoutTokenVerifier({ issuers, algorithms, clientId }),
      maxTokenLifetimeSeconds,
      log,
    });
    const forgetting = [
      setInterval(() => forget(forgetExpired), FORGET_INTERVAL_MS).unref(),
      setInterval(() => forget(forgetRequestCounts), FORGET_COUNTS_INTERVAL_MS).unref(),
    ];
    function forget(expired: (pool: typeof database.pool) => Promise<void>): void {
      expired(pool).catch((error) => log.warn({ err: error }, "Expired rows could not be deleted."));
    }

    const schema = implement({
      contract: auth,
      uses: [users, portfolios],
      problemBehind: databaseProblem,
      idempotency,
      handlers: {
        authenticate: ({ params: { token, address }, call, requestId }) =>
          authenticate(token, { call, requestId, address }),
        revocations: ({ params: { after } }) => listRevocations(pool, after),
        countRequests: ({ params: { counts, window_seconds } }) =>
          countRequests(pool, counts, window_seconds),
        ...signOutHandlers(database, signOuts),
        ...tokenHandlers(database, signOuts),
        ...trailHandlers(database),
      },
    });
    return {
      schema,
      uses: [users.name, portfolios.name],
      async begin(outside) {
        idempotency.begin();
        await events.begin(outside);
      },
      async end(limitMs) {
        idempotency.end();
        await events.end(limitMs);
      },
      metrics: { metrics: [...keyMetrics, ...events.metrics.metrics], collect: collectKeyMetrics },
      unreadiness: database.unreadiness,
      async close() {
        for (const interval of forgetting) clearInterval(interval);
        await open.close();
        await database.close();
      },
    };
  };
};
export default service;
