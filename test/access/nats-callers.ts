import { randomUUID } from "node:crypto";
import { ServiceBroker } from "moleculer";
import { brokerOptions } from "../../moleculer.config.ts";
import { readProcessConfig } from "../../services/common/broker-config.ts";
import { ADMINISTRATOR, type Principal } from "../../services/common/principal.ts";
import { principalOf } from "../support/broker.ts";
import type { System } from "../support/system.ts";
import { makeBelongings, type Part } from "./belongings.ts";
import { BACK_CHANNEL, CLIENT_ID } from "./http-callers.ts";
import { type Caller, type Row, scopesOf, type Target } from "./matrix.ts";

/** Calls actions as any process on NATS can: with whatever it says is the principal. */
export interface Node {
  call<Result>(action: string, params: object, principal?: unknown): Promise<Result>;
  stop(): Promise<void>;
}

/** A broker of the test's own among the system's. */
export async function joinNamespace(namespace: string): Promise<Node> {
  const config = readProcessConfig({
    NATS_URL: process.env.TEST_NATS_URL as string,
    NATS_NAMESPACE: namespace,
  });
  const broker = new ServiceBroker({
    ...brokerOptions(`intruder-${randomUUID()}`, config),
    logger: false,
    requestTimeout: 10_000,
  });
  await broker.start();
  await broker.waitForServices(["auth", "users", "portfolios", "accounts", "market"], 10_000);
  return {
    call: (action, params, principal) =>
      broker.call(action, params, { meta: principal === undefined ? {} : { principal } }),
    stop: () => broker.stop(),
  };
}

/** A user with one of everything that users have, and these parts of it. */
export async function newTarget(
  { issuer }: System,
  node: Node,
  parts: readonly Part[] = [],
): Promise<Target> {
  const subject = `owner-${randomUUID()}`;
  const sid = `session-${subject}`;
  const identity = { issuer: issuer.url, subject };
  const { user_id: userId } = await node.call<{ user_id: string }>("users.resolve", {
    ...identity,
    profile: {},
    checked_at: new Date().toISOString(),
  });
  const owner = principalOf(userId, identity);
  const [accessToken, logoutToken] = await Promise.all([
    issuer.token(subject),
    issuer.token(subject, {
      header: { typ: "logout+jwt" },
      claims: { aud: CLIENT_ID, sid, jti: randomUUID(), events: { [BACK_CHANNEL]: {} } },
    }),
  ]);
  const belongings = await makeBelongings((action, params) => node.call(action, params, owner), parts);
  return { userId, ...identity, accessToken, logoutToken, ...belongings };
}

export async function newDeletedTarget(system: System, node: Node): Promise<Target> {
  const target = await newTarget(system, node);
  await node.call("users.deleteMe", {}, ownerOf(target));
  return target;
}

/** The owner of a target, as `auth` would say it; with changes. */
export function ownerOf({ userId, issuer, subject }: Target, changes: Partial<Principal> = {}): Principal {
  return principalOf(userId, { issuer, subject, ...changes });
}

/** The principal of a caller, made by hand. */
export async function principalFor(
  { issuer }: System,
  node: Node,
  caller: Caller,
  row: Row,
  target: Target,
): Promise<Principal | undefined> {
  switch (caller) {
    case "owner":
      return ownerOf(target);
    // A token from before the deletion.
    case "deleted":
      return ownerOf(target, { issuedAt: Math.floor(Date.now() / 1000) - 60 });
    case "anonymous":
      return undefined;
    case "other":
    case "administrator": {
      const identity = { issuer: issuer.url, subject: `${caller}-${randomUUID()}` };
      const { user_id } = await node.call<{ user_id: string }>("users.resolve", {
        ...identity,
        profile: {},
        checked_at: new Date().toISOString(),
      });
      return principalOf(user_id, { ...identity, roles: caller === "administrator" ? [ADMINISTRATOR] : [] });
    }
    case "expired": {
      const now = Math.floor(Date.now() / 1000);
      return ownerOf(target, { issuedAt: now - 7200, expiresAt: now - 31 });
    }
    default:
      return ownerOf(target, {
        scopes: scopesOf(row, caller),
        tokenId: randomUUID(),
        ...(caller === "confined" && { portfolioId: target.secondPortfolioId }),
      });
  }
}
