import type { ActionEntry } from "./contract.ts";
import { ADMINISTRATOR, type Principal, type Scope } from "./principal.ts";
import { problem } from "./problem.ts";

/** What only administrators may do. */
const administration: ReadonlySet<string> = new Set<Scope>(["users:administer", "market:administer"]);

/** Checks that a principal's token allows an action. @throws FORBIDDEN */
export function checkScope({ scopes, roles }: Principal, { scope }: ActionEntry): void {
  if (scopes !== "all" && !(scopes as readonly string[]).includes(scope)) throw problem("FORBIDDEN");
  if (administration.has(scope) && !roles.includes(ADMINISTRATOR)) throw problem("FORBIDDEN");
}
