import { randomUUID } from "node:crypto";
import type { GrantableScope } from "../../services/common/principal.ts";
import { contracts } from "../../services/gateway/contracts.ts";
import type { System } from "../support/system.ts";
import { type Act, makeBelongings, type Part } from "./belongings.ts";
import { type Caller, type Request, type Row, requestsOf, scopesOf, type Target } from "./matrix.ts";

export const BACK_CHANNEL = "http://schemas.openid.net/event/backchannel-logout";
/** What the product promises, and a little for a busy machine. */
const REFUSED_WITHIN_MS = 5_000;

export const CLIENT_ID = "butler-web";

/** Sends a request: parameters go where the method has them. */
export function send(
  { url }: Pick<System, "url">,
  token: string | undefined,
  { method, path, members, bodyMember }: Request,
  form = false,
): Promise<Response> {
  const entries = Object.entries(members);
  const inQuery = method === "GET" || method === "DELETE";
  const search = new URLSearchParams(entries.map(([name, value]): [string, string] => [name, String(value)]));
  const query = inQuery && entries.length > 0 ? `?${search}` : "";
  const json = bodyMember === undefined ? members : members[bodyMember];
  const body = form ? search.toString() : JSON.stringify(json);
  const type = form ? "application/x-www-form-urlencoded" : "application/json";
  const hasBody = !inQuery && entries.length > 0;
  return fetch(url + path + query, {
    method,
    headers: {
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...(hasBody && { "Content-Type": type }),
    },
    body: hasBody ? body : null,
    redirect: "manual",
  });
}

/** A user who has been here before, with one of everything that users have, and these parts of it. */
export async function newTarget(system: System, parts: readonly Part[] = []): Promise<Target> {
  const { issuer } = system;
  const subject = `owner-${randomUUID()}`;
  const sid = `session-${subject}`;
  const [accessToken, logoutToken] = await Promise.all([
    issuer.token(subject, { claims: { sid, jti: randomUUID() } }),
    issuer.token(subject, {
      header: { typ: "logout+jwt" },
      claims: { aud: CLIENT_ID, sid, jti: randomUUID(), events: { [BACK_CHANNEL]: {} } },
    }),
  ]);
  const act: Act = async (action, params) => {
    const [request] = requestsOf(contracts, action, params);
    return succeeded(request as Request, await send(system, accessToken, request as Request));
  };
  const belongings = await makeBelongings(act, parts);
  const { id: userId } = await act("users.me", {});
  return { userId, issuer: issuer.url, subject, accessToken, logoutToken, ...belongings };
}

/** A user who has just been deleted, when no gateway takes the token any more. */
export async function newDeletedTarget(system: System): Promise<Target> {
  const target = await newTarget(system);
  const me = { path: "/v1/me", members: {} };
  const { status } = await send(system, target.accessToken, { method: "DELETE", ...me });
  if (status !== 204) throw new Error(`A user could not be deleted: ${status}`);
  const startedAt = Date.now();
  while ((await send(system, target.accessToken, { method: "GET", ...me })).status !== 401) {
    if (Date.now() - startedAt > REFUSED_WITHIN_MS) throw new Error("A deleted user's token is still taken.");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return target;
}

/** What a caller proves itself with. All but the anonymous, deleted and expired have been here before. */
export async function tokenOf(
  system: System,
  caller: Caller,
  row: Row,
  target: Target,
): Promise<string | undefined> {
  const { issuer } = system;
  switch (caller) {
    case "owner":
    case "deleted":
      return target.accessToken;
    case "anonymous":
      return undefined;
    case "other":
      return seen(system, await issuer.token(`other-${randomUUID()}`));
    case "administrator": {
      const claims = { realm_access: { roles: ["administrator"] } };
      return seen(system, await issuer.token(`administrator-${randomUUID()}`, { claims }));
    }
    case "expired": {
      const now = Math.floor(Date.now() / 1000);
      return issuer.token(target.subject, { claims: { iat: now - 7200, exp: now - 3600 } });
    }
    default: {
      const only = caller === "confined" ? target.secondPortfolioId : undefined;
      const { token } = await newScript(system, target.accessToken, scopesOf(row, caller), only);
      return seen(system, token);
    }
  }
}

/** The first request creates a user, or notes a token's use. */
async function seen(system: System, token: string): Promise<string> {
  const { status } = await send(system, token, { method: "GET", path: "/protected", members: {} });
  if (status !== 200 && status !== 403) throw new Error(`A good token was not taken: ${status}`);
  return token;
}

function newScript(system: System, owner: string, scopes: readonly GrantableScope[], portfolio?: string) {
  const members = {
    name: "Script",
    scopes,
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    ...(portfolio !== undefined && { portfolio_id: portfolio }),
  };
  return created(system, owner, { method: "POST", path: "/v1/tokens", members });
}

async function created(system: System, token: string, request: Request) {
  return succeeded<{ id: string; token: string }>(request, await send(system, token, request));
}

async function succeeded<Result>({ method, path }: Request, reply: Response): Promise<Result> {
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${method} ${path} answered ${reply.status}: ${text}`);
  return (text === "" ? {} : JSON.parse(text)) as Result;
}
