import { z } from "zod";
import { isoTime } from "../../common/database/times.ts";
import { problem } from "../../common/problem.ts";
import type { SnapshotRow } from "./row.ts";

/** Where the list goes on: after the snapshot of this day, time and id. */
export interface SnapshotPosition {
  readonly day: string;
  readonly createdAt: string;
  readonly id: string;
}

/** PostgreSQL knows no year 0. */
const isInCalendar = (text: string) => text >= "0001";
const Decoded = z.tuple([
  z.iso.date().refine(isInCalendar),
  z.iso.datetime().max(27).refine(isInCalendar),
  z.guid(),
]);

/** Before the latest. */
const LATEST: SnapshotPosition = {
  day: "infinity",
  createdAt: "infinity",
  id: "ffffffff-ffff-ffff-ffff-ffffffffffff",
};

/** The cursor of the page after a row, which is as PostgreSQL gave it. */
export function cursorAfter({ snapshot_date, created_at, id }: SnapshotRow): string {
  return Buffer.from(JSON.stringify([snapshot_date, isoTime(created_at, 6), id])).toString("base64url");
}

/** @throws VALIDATION_FAILED at `/cursor` when it is none of ours. */
export function positionOf(cursor: string | undefined): SnapshotPosition {
  if (cursor === undefined) return LATEST;
  try {
    const [day, createdAt, id] = Decoded.parse(JSON.parse(Buffer.from(cursor, "base64url").toString()));
    return { day, createdAt, id };
  } catch {
    const detail = "is not a cursor of this list";
    throw problem("VALIDATION_FAILED", {
      detail: `/cursor ${detail}.`,
      errors: [{ pointer: "/cursor", detail }],
    });
  }
}
