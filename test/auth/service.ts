import { randomUUID } from "node:crypto";
import { ServiceBroker } from "moleculer";
import auth from "../../services/auth/auth.service.ts";
import { contract } from "../../services/common/contract.ts";
import { implement } from "../../services/common/implement.ts";
import type { Principal } from "../../services/common/principal.ts";
import { users } from "../../services/users/contract.ts";
import { cloneDatabase } from "../support/database.ts";
import { AUDIENCE } from "../support/issuer.ts";

/** What `users` was asked for. */
export interface Resolved {
  readonly issuer: string;
  readonly subject: string;
  readonly profile: object;
}

export interface AuthUnderTest {
  /** Whose token it is, as `auth` answers. */
  authenticate(token: string): Promise<Principal>;
  /** Everything logged so far, as text. */
  readonly log: () => string;
  readonly logged: { readonly message: string; readonly reason?: string }[];
  readonly resolved: Resolved[];
  readonly stop: () => Promise<void>;
}

export interface AuthOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly withUsers?: boolean;
}

/** The real auth service that trusts these issuers, on a broker with a `users` that takes everybody. */
export async function startAuth(
  issuers: readonly { readonly url: string }[],
  { environment = {}, withUsers = true }: AuthOptions = {},
): Promise<AuthUnderTest> {
  const database = await cloneDatabase();
  const broker = new ServiceBroker({ logger: false, validator: false, skipProcessEventRegistration: true });
  const logged: AuthUnderTest["logged"] = [];
  const resolved: Resolved[] = [];
  const note = (...message: readonly unknown[]) =>
    void logged.push(Object.assign({}, ...message.filter(isObject), { message: message.at(-1) }));
  const settings = {
    DATABASE_URL: database.url,
    DB_MIN_CONNECTIONS: "1",
    OIDC_ISSUER: issuers.map(({ url }) => url).join(","),
    OIDC_AUDIENCE: AUDIENCE,
    ...environment,
  };
  const service = await auth(settings)(
    { info: note, warn: note, error: note },
    async () => undefined,
    new Map(),
  );
  broker.createService(service.schema);
  if (withUsers) broker.createService(usersThatTake(resolved));
  await broker.start();
  return {
    authenticate: (token) => broker.call("auth.authenticate", { token }),
    log: () => JSON.stringify(logged),
    logged,
    resolved,
    async stop() {
      await broker.stop();
      await service.close?.();
      await database.drop();
    },
  };
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** As much of `users` as `auth` calls. */
const resolving = contract("users", { resolve: users.actions.resolve });

function usersThatTake(resolved: Resolved[]) {
  return implement({
    contract: resolving,
    handlers: {
      async resolve({ params }) {
        resolved.push(params);
        return { user_id: randomUUID() };
      },
    },
  });
}
