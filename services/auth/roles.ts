import { isStorable } from "../common/values.ts";
import { isJsonObject, type JsonObject } from "./strict-json.ts";

/** What a principal carries at most. */
const MAX_ROLES = 50;
const MAX_ROLE_LENGTH = 100;

export interface RoleClaims {
  /** Where the issuer's roles are: a claim's name, or a path of names with dots between. */
  readonly rolesClaim: string;
  /** The client whose roles count too (Keycloak's `resource_access.<client>.roles`); other clients' never do. */
  readonly clientId?: string | undefined;
}

/** Makes the reader of a token's roles. What is no list of names gives none: roles only ever add rights. */
export function rolesReader({ rolesClaim, clientId }: RoleClaims): (payload: JsonObject) => string[] {
  const path = rolesClaim.split(".");
  return (payload) => {
    // A claim's own name may have dots in it, as in `https://api.example/roles`.
    const issuers = Object.hasOwn(payload, rolesClaim) ? payload[rolesClaim] : valueAt(payload, path);
    const clients =
      clientId === undefined ? undefined : valueAt(payload, ["resource_access", clientId, "roles"]);
    return [...new Set([...namesOf(issuers), ...namesOf(clients)])].slice(0, MAX_ROLES);
  };
}

function valueAt(payload: JsonObject, path: readonly string[]): unknown {
  let value: unknown = payload;
  for (const name of path) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

function namesOf(roles: unknown): string[] {
  return Array.isArray(roles) ? roles.filter(isRole) : [];
}

function isRole(role: unknown): role is string {
  return typeof role === "string" && role.length > 0 && role.length <= MAX_ROLE_LENGTH && isStorable(role);
}
