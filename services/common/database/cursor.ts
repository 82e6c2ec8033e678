import { z } from "zod";
import { problem } from "../problem.ts";
import { isoTime } from "./times.ts";

/** Where a list that is ordered by creation goes on: after the row of this time and id. */
export interface Position {
  readonly createdAt: string;
  readonly id: string;
}

/** PostgreSQL knows no year 0. */
const isInCalendar = (text: string) => text >= "0001";
/** The parts of a cursor, as they are sent back. */
export const CursorPart = {
  day: z.iso.date().refine(isInCalendar),
  time: z.iso.datetime().max(27).refine(isInCalendar),
  id: z.guid(),
};
const Parts = z.tuple([CursorPart.time, CursorPart.id]);

/** Before every row. */
export const START: Position = { createdAt: "-infinity", id: "00000000-0000-0000-0000-000000000000" };

/**
 * The cursor of the page after a row.
 * @param row as PostgreSQL gave it: to the microsecond, because rows of one millisecond have an order too.
 */
export function cursorAfter(row: { readonly created_at: string; readonly id: string }): string {
  return encodeCursor([isoTime(row.created_at, 6), row.id]);
}

/** @throws VALIDATION_FAILED at `/cursor` when it is none of ours. */
export function positionOf(cursor: string | undefined): Position {
  if (cursor === undefined) return START;
  const [createdAt, id] = decodeCursor(cursor, Parts);
  return { createdAt, id };
}

export function encodeCursor(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** @throws VALIDATION_FAILED at `/cursor` when it has other parts. */
export function decodeCursor<Decoded>(cursor: string, parts: z.ZodType<Decoded>): Decoded {
  try {
    return parts.parse(JSON.parse(Buffer.from(cursor, "base64url").toString()));
  } catch {
    const detail = "is not a cursor of this list";
    throw problem("VALIDATION_FAILED", {
      detail: `/cursor ${detail}.`,
      errors: [{ pointer: "/cursor", detail }],
    });
  }
}
