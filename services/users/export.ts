import { z } from "zod";
import type { accounts } from "../accounts/contract.ts";
import type { auth } from "../auth/contract.ts";
import type { Call } from "../common/contract.ts";
import { problem } from "../common/problem.ts";
import type { portfolios } from "../portfolios/contract.ts";
import type { ExportRecord } from "./contract.ts";

type Peers = Call<typeof auth | typeof portfolios | typeof accounts>;

interface Page<Item> {
  readonly items: readonly Item[];
  readonly next_cursor?: string | undefined;
}

type Source = (call: Peers, params: { user_id: string; cursor?: string }) => Promise<Page<ExportRecord>>;

/** Where else a user's data is, in the order in which it is exported after the user itself. */
const sources: readonly Source[] = [
  async (call, params) =>
    recordsOf(await call("portfolios.exportUser", params), (portfolio) => ({ kind: "portfolio", portfolio })),
  async (call, params) =>
    recordsOf(await call("portfolios.exportRecommendations", params), (recommendation) => ({
      kind: "recommendation",
      recommendation,
    })),
  async (call, params) =>
    recordsOf(await call("portfolios.exportSnapshots", params), (snapshot) => ({
      kind: "snapshot",
      snapshot,
    })),
  async (call, params) =>
    recordsOf(await call("accounts.exportUser", params), (account) => ({ kind: "account", account })),
  async (call, params) =>
    recordsOf(await call("auth.exportTokens", params), (token) => ({ kind: "token", token })),
  async (call, params) => recordsOf(await call("auth.exportAudit", params), (act) => ({ kind: "act", act })),
];

function recordsOf<Item>(page: Page<Item>, record: (item: Item) => ExportRecord): Page<ExportRecord> {
  return { ...page, items: page.items.map(record) };
}

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
  const page = sources[index] as Source;
  const { items, next_cursor } = await page(call, {
    user_id: userId,
    ...(inside !== null && { cursor: inside }),
  });
  const next =
    next_cursor !== undefined
      ? cursorOf(index, next_cursor)
      : index + 1 < sources.length
        ? cursorOf(index + 1)
        : undefined;
  return { items: [...items], ...(next !== undefined && { next_cursor: next }) };
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
