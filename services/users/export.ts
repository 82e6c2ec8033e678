import { z } from "zod";
import type { accounts } from "../accounts/contract.ts";
import type { auth } from "../auth/contract.ts";
import type { Call } from "../common/contract.ts";
import { problem } from "../common/problem.ts";
import type { portfolios } from "../portfolios/contract.ts";

type Peers = Call<typeof auth | typeof portfolios | typeof accounts>;
interface Source {
  readonly kind: "portfolio" | "account" | "token" | "act";
  readonly page: (
    call: Peers,
    params: { user_id: string; cursor?: string },
  ) => Promise<{ items: object[]; next_cursor?: string | undefined }>;
}

/** Where else a user's data is, in the order in which it is exported after the user itself. */
const sources: readonly Source[] = [
  { kind: "portfolio", page: (call, params) => call("portfolios.exportUser", params) },
  { kind: "account", page: (call, params) => call("accounts.exportUser", params) },
  { kind: "token", page: (call, params) => call("auth.exportTokens", params) },
  { kind: "act", page: (call, params) => call("auth.exportAudit", params) },
];

/** Which source the export is at, and where in it. */
const Cursor = z.tuple([
  z
    .int()
    .min(0)
    .max(sources.length - 1),
  z.string().max(150).nullable(),
]);

/** Where the export goes on after the user itself. */
export const firstCursor = Buffer.from("[0,null]").toString("base64url");

/**
 * The next page of a user's export after the first, which is the user itself.
 * @throws VALIDATION_FAILED when the cursor is none of ours.
 */
export async function exportPage(call: Peers, userId: string, cursor: string) {
  const [index, inside] = parse(cursor);
  const source = sources[index] as Source;
  const { items, next_cursor } = await source.page(call, {
    user_id: userId,
    ...(inside !== null && { cursor: inside }),
  });
  const next =
    next_cursor !== undefined
      ? cursorOf(index, next_cursor)
      : index + 1 < sources.length
        ? cursorOf(index + 1)
        : undefined;
  return {
    items: items.map((item) => ({ kind: source.kind, [source.kind]: item })),
    ...(next !== undefined && { next_cursor: next }),
  };
}

/** The cursor of a source's first page, or of where it goes on. */
function cursorOf(index: number, inside: string | null = null): string {
  return Buffer.from(JSON.stringify([index, inside])).toString("base64url");
}

function parse(cursor: string): z.infer<typeof Cursor> {
  try {
    return Cursor.parse(JSON.parse(Buffer.from(cursor, "base64url").toString()));
  } catch {
    const errors = [{ pointer: "/cursor", detail: "is not a cursor of this list" }];
    throw problem("VALIDATION_FAILED", { detail: "/cursor is not a cursor of this list.", errors });
  }
}
