import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import pg from "pg";
import { cursorAfter, positionOf, START } from "../../../services/common/database/cursor.ts";
import { isoTime } from "../../../services/common/database/times.ts";
import { Time } from "../../../services/common/values.ts";
import { cloneDatabase, type TestDatabase } from "../../support/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.drop());

/** Times as the wire may carry them: from year 1 to 9999, in milliseconds. */
const times = fc.date({
  min: new Date("0001-01-01T00:00:00.000Z"),
  max: new Date("9999-12-31T23:59:59.999Z"),
  noInvalidDate: true,
});

/** PostgreSQL's own text of times, in a session whose zone is UTC, as services have them. */
async function textsOf(dates: readonly Date[]): Promise<string[]> {
  const client = new pg.Client({ connectionString: database.url, options: "-c TimeZone=UTC" });
  await client.connect();
  try {
    const { rows } = await client.query<{ text: string }>(
      "select t::timestamptz(3)::text as text from unnest($1::text[]) with ordinality as times (t, n) order by n",
      [dates.map((date) => date.toISOString())],
    );
    return rows.map(({ text }) => text);
  } finally {
    await client.end();
  }
}

describe("isoTime", () => {
  it("makes of PostgreSQL's text the very time that was stored, for any time", async () => {
    const dates = fc.sample(times, 500);
    expect((await textsOf(dates)).map((text) => isoTime(text))).toEqual(
      dates.map((date) => date.toISOString()),
    );
  });

  it.each([
    ["2026-01-31 09:30:00+00", "2026-01-31T09:30:00.000Z"],
    ["2026-01-31 09:30:00.1+00", "2026-01-31T09:30:00.100Z"],
    ["2026-01-31 09:30:00.12+00", "2026-01-31T09:30:00.120Z"],
    ["2026-01-31 09:30:00.123+00", "2026-01-31T09:30:00.123Z"],
    ["2026-01-31 09:30:00.123456+00", "2026-01-31T09:30:00.123Z"],
    ["2026-01-31T09:30:00.123Z", "2026-01-31T09:30:00.123Z"],
    ["2026-01-31T09:30:00Z", "2026-01-31T09:30:00.000Z"],
  ])("makes of %s %s", (text, iso) => {
    expect(isoTime(text)).toBe(iso);
    expect(Time.parse(isoTime(text))).toBe(iso);
  });
});

describe("a cursor", () => {
  it("leads back to its row, for any row, in 200 characters and in what a URL may hold", () => {
    fc.assert(
      fc.property(times, fc.uuid(), (time, id) => {
        const cursor = cursorAfter({ created_at: time.toISOString(), id });
        expect(cursor).toMatch(/^[\w-]{1,200}$/);
        expect(positionOf(cursor)).toEqual({ createdAt: time.toISOString().replace("Z", "000Z"), id });
      }),
    );
  });

  it("is before every row when there is none", () => {
    expect(positionOf(undefined)).toBe(START);
  });

  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const id = "0190a0e0-0000-7000-8000-00000000000a";
  it.each([
    ["nothing", ""],
    ["no base64url", "%%%"],
    ["no JSON", Buffer.from("hello").toString("base64url")],
    ["an object", encode({ createdAt: "2026-01-31T09:30:00.123Z", id })],
    ["too few members", encode(["2026-01-31T09:30:00.123Z"])],
    ["too many members", encode(["2026-01-31T09:30:00.123Z", id, 1])],
    ["no time", encode(["yesterday", id])],
    ["-infinity", encode(["-infinity", id])],
    ["a time of another zone", encode(["2026-01-31T09:30:00.123+01:00", id])],
    ["more digits than PostgreSQL has", encode(["2026-01-31T09:30:00.1234567Z", id])],
    ["a day that does not exist", encode(["2026-02-30T09:30:00.123Z", id])],
    ["a year that PostgreSQL does not know", encode(["0000-01-01T00:00:00.000Z", id])],
    ["no id", encode(["2026-01-31T09:30:00.123Z", "1"])],
    ["an injection", encode(["2026-01-31T09:30:00.123Z", `${id}' or 'a'='a`])],
  ])("is refused, as the client's mistake, when it holds %s", (_, cursor) => {
    expect(() => positionOf(cursor)).toThrow(
      expect.objectContaining({
        type: "VALIDATION_FAILED",
        data: expect.objectContaining({
          errors: [{ pointer: "/cursor", detail: "is not a cursor of this list" }],
        }),
      }),
    );
  });

  it("never makes anything but a position that PostgreSQL takes, or VALIDATION_FAILED", async () => {
    const positions: { createdAt: string; id: string }[] = [];
    const almost = fc
      .tuple(
        fc.oneof(
          times.map((time) => time.toISOString()),
          fc.string(),
        ),
        fc.oneof(fc.uuid(), fc.string()),
      )
      .map(encode);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json().map((json) => Buffer.from(json).toString("base64url")),
          almost,
        ),
        (cursor) => {
          try {
            positions.push(positionOf(cursor));
          } catch (error) {
            expect(error).toMatchObject({ type: "VALIDATION_FAILED" });
          }
        },
      ),
      { numRuns: 300 },
    );
    expect(positions.length).toBeGreaterThan(0);
    await database.query("select * from unnest($1::timestamptz[], $2::uuid[])", [
      positions.map(({ createdAt }) => createdAt),
      positions.map((position) => position.id),
    ]);
  });
});
