import { z } from "zod";
import { problem } from "../problem.ts";
import { isoTime } from "./times.ts";

/** Where a list that is ordered by creation goes on: after the row of this time and id. */
export interface Position {
  readonly createdAt: string;
  readonly id: string;
}

/** PostgreSQL knows no year 0. */
const CreationTime = z.iso
  .datetime()
  .max(27)
  .refine((time) => time >= "0001");
const Decoded = z.tuple([CreationTime, z.guid()]);

/** Before every row. */
export const START: Position = { createdAt: "-infinity", id: "00000000-0000-0000-0000-000000000000" };

/**
 * The cursor of the page after a row.
 * @param row as PostgreSQL gave it: to the microsecond, because rows of one millisecond have an order too.
 */
export function cursorAfter(row: { readonly created_at: string; readonly id: string }): string {
  return Buffer.from(JSON.stringify([isoTime(row.created_at, 6), row.id])).toString("base64url");
}

/** @throws VALIDATION_FAILED at `/cursor` when it is none of ours. */
export function positionOf(cursor: string | undefined): Position {
  if (cursor === undefined) return START;
  try {
    const [createdAt, id] = Decoded.parse(JSON.parse(Buffer.from(cursor, "base64url").toString()));
    return { createdAt, id };
  } catch {
    const detail = "is not a cursor of this list";
    throw problem("VALIDATION_FAILED", {
      detail: `/cursor ${detail}.`,
      errors: [{ pointer: "/cursor", detail }],
    });
  }
}
