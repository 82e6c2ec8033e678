import type { ActionEntry } from "./contract.ts";
import { ADMINISTRATOR, type Principal, type Scope } from "./principal.ts";
import { problem } from "./problem.ts";

/** Checks that a principal's token allows an action. @throws FORBIDDEN */
export function checkScope({ scopes, roles }: Principal, { scope }: ActionEntry): void {
  if (scopes !== "all" && !(scopes as readonly string[]).includes(scope)) throw problem("FORBIDDEN");
  if (scope === ("users:administer" satisfies Scope) && !roles.includes(ADMINISTRATOR))
    throw problem("FORBIDDEN");
}
