import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { noteSession } from "../../services/auth/sessions.ts";
import { readDatabaseSettings } from "../../services/common/database/config.ts";
import { type Database, openDatabase } from "../../services/common/database/database.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";

const silent = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  debug: () => undefined,
};
let cloned: TestDatabase;
let database: Database;

beforeAll(async () => {
  cloned = await cloneDatabase();
  const settings = readDatabaseSettings("auth", { DATABASE_URL: cloned.url });
  database = await openDatabase({ settings, entities: [], migrations: [], log: silent });
});
afterAll(async () => {
  await database.close();
  await cloned.drop();
});

describe("the beginning of a session", () => {
  const userId = randomUUID();
  const note = (sessionId: string, agoMs: number) =>
    noteSession(
      database.pool,
      "https://issuer.example",
      { userId, act: "session.started", subject: "alice", sessionId, address: undefined, requestId: "r" },
      new Date(Date.now() - agoMs).toISOString(),
    );
  const rows = async () => ({
    sessions: (await cloned.query("select from auth.sessions where user_id = $1", [userId])).length,
    acts: (await cloned.query("select from auth.audit_events where user_id = $1", [userId])).length,
  });

  it("is not noted for a token that was checked too long ago: its user may be deleted by now", async () => {
    await note("late", 1_600);
    expect(await rows()).toEqual({ sessions: 0, acts: 0 });
    await note("late", 0);
    expect(await rows()).toEqual({ sessions: 1, acts: 1 });
  });

  it("is noted once", async () => {
    await note("again", 0);
    const before = await rows();
    await note("again", 0);
    expect(await rows()).toEqual(before);
  });
});
