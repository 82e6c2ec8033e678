import { z } from "zod";
import { CursorPart, decodeCursor, encodeCursor } from "../../common/database/cursor.ts";
import { isoTime } from "../../common/database/times.ts";
import type { SnapshotRow } from "./row.ts";

/** Where the list goes on: after the snapshot of this day, time and id. */
export interface SnapshotPosition {
  readonly day: string;
  readonly createdAt: string;
  readonly id: string;
}

const Parts = z.tuple([CursorPart.day, CursorPart.time, CursorPart.id]);

/** Before the latest. */
const LATEST: SnapshotPosition = {
  day: "infinity",
  createdAt: "infinity",
  id: "ffffffff-ffff-ffff-ffff-ffffffffffff",
};

/** The cursor of the page after a row, which is as PostgreSQL gave it. */
export function cursorAfter({ snapshot_date, created_at, id }: SnapshotRow): string {
  return encodeCursor([snapshot_date, isoTime(created_at, 6), id]);
}

/** @throws VALIDATION_FAILED at `/cursor` when it is none of ours. */
export function positionOf(cursor: string | undefined): SnapshotPosition {
  if (cursor === undefined) return LATEST;
  const [day, createdAt, id] = decodeCursor(cursor, Parts);
  return { day, createdAt, id };
}
