import { accounts } from "../accounts/contract.ts";
import { auth } from "../auth/contract.ts";
import { actRecord } from "../common/act.ts";
import { coalesce } from "../common/database/coalesce.ts";
import { readDatabaseSettings } from "../common/database/config.ts";
import { openDatabase } from "../common/database/database.ts";
import { databaseProblem } from "../common/database/errors.ts";
import { openEvents } from "../common/events.ts";
import { implement } from "../common/implement.ts";
import type { Principal } from "../common/principal.ts";
import type { ServiceModule } from "../common/service.ts";
import { portfolios } from "../portfolios/contract.ts";
import { users } from "./contract.ts";
import { eraseUser } from "./erase.ts";
import { exportPage, firstCursor } from "./export.ts";
import { identitiesOf, resolveUsers, type Sighting } from "./identities.ts";
import { migrations } from "./migrations/index.ts";
import { changePreferences, findUser, type User } from "./preferences.ts";

/** Users and their identities. */
const service: ServiceModule = (environment) => {
  const settings = readDatabaseSettings("users", environment);

  return async (log, _unreadiness, hearers) => {
    const database = await openDatabase({ settings, entities: [], migrations, log });
    const { pool } = database;
    const events = openEvents({ contract: users, pool, log, hearers });
    const store = { pool, events };
    const resolve = coalesce<Sighting, string | undefined>({
      maxBatchSize: 500,
      maxBatches: 2,
      read: (sightings, askedAt) => resolveUsers(store, sightings, askedAt),
    });

    const schema = implement({
      contract: users,
      uses: [auth, portfolios, accounts],
      problemBehind: databaseProblem,
      handlers: {
        async resolve({ params: { profile, checked_at: checkedAt, ...identity }, problem }) {
          const user_id = await resolve({ identity, profile, checkedAt });
          if (user_id === undefined) throw problem("SERVICE_UNAVAILABLE");
          return { user_id };
        },

        async me({ principal, problem }) {
          const user = await findUser(pool, principal.userId);
          if (!user) throw problem("UNAUTHENTICATED");
          return meOf(principal, user);
        },

        async protected({ principal }) {
          return { message: "The access token is valid.", user_id: principal.subject };
        },

        async updateMe({ params: { if_match, ...changes }, principal, problem, call, ...origin }) {
          const { userId } = principal;
          const user = await changePreferences(pool, userId, changes, if_match);
          if (!user)
            throw problem((await findUser(pool, userId)) ? "PRECONDITION_FAILED" : "UNAUTHENTICATED");
          await call("auth.record", actRecord("user.changed", principal, origin));
          return meOf(principal, user);
        },

        async deleteMe({ principal, call }) {
          await eraseUser(store, call, principal.userId);
          return null;
        },

        async exportMe({ params: { cursor }, principal, call, problem, ...origin }) {
          const { userId } = principal;
          if (cursor !== undefined) return exportPage(call, userId, cursor);
          const user = await findUser(pool, userId);
          if (!user) throw problem("UNAUTHENTICATED");
          await call("auth.record", actRecord("user.exported", principal, origin));
          const identities = await identitiesOf(pool, userId);
          return {
            items: [{ kind: "user" as const, user: { id: userId, ...user, identities } }],
            next_cursor: firstCursor,
          };
        },

        identities: ({ params: { user_id } }) => identitiesOf(pool, user_id),
      },
    });
    return {
      schema,
      uses: [auth.name, portfolios.name, accounts.name],
      unreadiness: database.unreadiness,
      begin: events.begin,
      end: events.end,
      metrics: events.metrics,
      close: database.close,
    };
  };
};
export default service;

/** The user of a request, as existing clients read it. */
function meOf({ subject, userId, roles }: Principal, user: User) {
  return { user_id: subject, id: userId, ...user, roles };
}
