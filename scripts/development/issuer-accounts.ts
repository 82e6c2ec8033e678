// The development issuer's users: whoever one says one is.

const roles = { user: ["user"], administrator: ["user", "administrator"] } as const;

export type Role = keyof typeof roles;
export const roleNames = Object.keys(roles);

/** For a form's `pattern`, too: there, `-` must be escaped. */
export const userNamePattern = String.raw`[a-z0-9][a-z0-9._\-]{0,63}`;
export const userNameRule =
  "must be 1 to 64 of a to z, 0 to 9, dot, dash and underscore, and start with a letter or digit";

const userName = new RegExp(`^${userNamePattern}$`);

export function isUserName(name: unknown): name is string {
  return typeof name === "string" && userName.test(name);
}

export function isRole(role: unknown): role is Role {
  return typeof role === "string" && Object.hasOwn(roles, role);
}

/** What ID tokens and access tokens both say of a user. */
export function profileOf(username: string) {
  return { email: `${username}@example.test`, email_verified: true, preferred_username: username };
}

/** What only access tokens say: roles as Keycloak gives them. */
export function accessOf(role: Role) {
  return { realm_access: { roles: roles[role] } };
}
