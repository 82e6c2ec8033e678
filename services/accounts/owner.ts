import type { Principal } from "../common/principal.ts";
import { problem } from "../common/problem.ts";

/** The caller. A token for one portfolio is for that one, and for no account. @throws FORBIDDEN */
export function ownerOf({ userId, portfolioId }: Principal): string {
  if (portfolioId !== undefined) throw problem("FORBIDDEN");
  return userId;
}
