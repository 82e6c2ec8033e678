import { coalesce } from "../common/database/coalesce.ts";
import { readDatabaseSettings } from "../common/database/config.ts";
import { openDatabase } from "../common/database/database.ts";
import { databaseProblem } from "../common/database/errors.ts";
import { implement } from "../common/implement.ts";
import type { ServiceModule } from "../common/service.ts";
import { users } from "./contract.ts";
import { findUser } from "./find-user.ts";
import { resolveUsers, type Sighting } from "./identities.ts";
import { migrations } from "./migrations/index.ts";

/** Users and their identities. */
const service: ServiceModule = (environment) => {
  const settings = readDatabaseSettings("users", environment);

  return async (log) => {
    const database = await openDatabase({ settings, entities: [], migrations, log });
    const resolve = coalesce<Sighting, string>({
      maxBatchSize: 500,
      maxBatches: 2,
      read: (sightings) => resolveUsers(database.pool, sightings),
    });

    const schema = implement({
      contract: users,
      problemBehind: databaseProblem,
      handlers: {
        async resolve({ params: { profile, ...identity } }) {
          return { user_id: await resolve({ identity, profile }) };
        },

        async me({ principal, problem }) {
          const user = await findUser(database.pool, principal.userId);
          if (!user) throw problem("UNAUTHENTICATED");
          return { user_id: principal.subject, id: principal.userId, ...user, roles: principal.roles };
        },

        async protected({ principal }) {
          return { message: "The access token is valid.", user_id: principal.subject };
        },
      },
    });
    return { schema, unreadiness: database.unreadiness, close: database.close };
  };
};
export default service;
