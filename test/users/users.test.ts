import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Me } from "../../services/users/contract.ts";
import users from "../../services/users/users.service.ts";
import { principalOf, startBroker, type TestBroker } from "../support/broker.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";

const ISSUER = "https://issuer.example";

let database: TestDatabase;
/** Replicas of the service, each with a pool of its own. */
let replicas: TestBroker[];

beforeAll(async () => {
  database = await cloneDatabase();
  const environment = { DATABASE_URL: database.url, DB_MIN_CONNECTIONS: "1", DB_MAX_CONNECTIONS: "5" };
  replicas = await Promise.all(Array.from({ length: 3 }, () => startBroker([users], environment)));
});
afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.stop()));
  await database.drop();
});

interface Identity {
  readonly subject: string;
  readonly issuer?: string;
  readonly profile?: object;
}

/** Asks the replica of that number, counted round, whose identity it is. */
async function resolve({ subject, issuer = ISSUER, profile = {} }: Identity, replica = 0): Promise<string> {
  const { callAs } = replicas[replica % replicas.length] as TestBroker;
  const params = { issuer, subject, profile, checked_at: new Date().toISOString() };
  return (await callAs<{ user_id: string }>(undefined, "users.resolve", params)).user_id;
}

function someone(): string {
  return `subject-${randomUUID()}`;
}

function rowsOf(subject: string) {
  return database.query(
    `select u.id, u.email, u.email_verified, u.preferred_username, u.version from users.users u
     join users.identities i on i.user_id = u.id where i.subject = $1`,
    [subject],
  );
}

function times<Result>(count: number, make: (index: number) => Promise<Result>): Promise<Result[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => make(index)));
}

describe("users.resolve", () => {
  it("creates one user for 200 first requests at once, over three replicas", async () => {
    const subject = someone();
    const before = await database.query("select id from users.users");
    const ids = await times(200, (index) => resolve({ subject }, index));
    expect(new Set(ids).size).toBe(1);
    expect(await rowsOf(subject)).toMatchObject([{ id: ids[0], version: 1 }]);
    // Those who lost the race have left no user without an identity behind.
    expect(await database.query("select id from users.users")).toHaveLength(before.length + 1);
  });

  it("creates many users at once, each once, from batches in which each comes several times", async () => {
    const subjects = Array.from({ length: 40 }, someone);
    const ids = await times(600, (index) =>
      resolve({ subject: subjects[(index * 7) % 40] as string }, index),
    );
    for (let index = 0; index < 600; index += 1) expect(ids[index]).toBe(ids[(index + 40) % 600]);
    expect(new Set(ids).size).toBe(40);
    const [row] = await database.query("select count(*)::int from users.identities where subject = any($1)", [
      subjects,
    ]);
    expect(row).toEqual({ count: 40 });
  });

  it("answers the same id ever after, on every replica", async () => {
    const subject = someone();
    const id = await resolve({ subject });
    expect(await times(6, (index) => resolve({ subject }, index))).toEqual(Array(6).fill(id));
  });

  it("takes equal subjects of two issuers for two users", async () => {
    const subject = someone();
    const other = "https://other.example";
    const [one, two] = await Promise.all([resolve({ subject }), resolve({ subject, issuer: other })]);
    expect(one).not.toBe(two);
    expect(await resolve({ subject, issuer: other })).toBe(two);
  });

  it("tells subjects apart to the letter", async () => {
    const subject = someone();
    const spellings = [subject, subject.toUpperCase(), `${subject} `, ` ${subject}`, `${subject}%`];
    const ids = await Promise.all(spellings.map((spelling) => resolve({ subject: spelling })));
    expect(new Set(ids).size).toBe(spellings.length);
  });

  it("keeps issuer and subject apart, wherever one ends and the other begins", async () => {
    const [one, two] = await Promise.all([
      resolve({ issuer: "https://a.example", subject: "b,c" }),
      resolve({ issuer: "https://a.example,b", subject: "c" }),
    ]);
    expect(one).not.toBe(two);
  });

  it("creates nobody by a token that was checked too long ago, and finds those who are there", async () => {
    const subject = someone();
    const { callAs } = replicas[0] as TestBroker;
    const ask = (agoMs: number) =>
      callAs<{ user_id: string }>(undefined, "users.resolve", {
        issuer: ISSUER,
        subject,
        profile: {},
        checked_at: new Date(Date.now() - agoMs).toISOString(),
      });
    const [late, ...others] = await Promise.allSettled([
      ask(1_600),
      ...Array.from({ length: 5 }, () => resolve({ subject: someone() })),
    ]);
    expect(late).toMatchObject({ status: "rejected", reason: { type: "SERVICE_UNAVAILABLE" } });
    // Who asks at the same time does not notice.
    expect(others.map(({ status }) => status)).toEqual(Array(5).fill("fulfilled"));
    expect(await rowsOf(subject)).toEqual([]);
    const id = await resolve({ subject });
    expect(await ask(1_600)).toEqual({ user_id: id });
  });

  it.each<[string, object]>([
    ["no subject", { issuer: ISSUER, profile: {} }],
    ["an empty subject", { issuer: ISSUER, subject: "", profile: {} }],
    ["a subject that cannot be stored", { issuer: ISSUER, subject: "a\0b", profile: {} }],
    [
      "a name that cannot be stored",
      { issuer: ISSUER, subject: "a", profile: { preferred_username: "\ud800" } },
    ],
    ["a claim that is not kept", { issuer: ISSUER, subject: "a", profile: { phone_number: "1" } }],
  ])("refuses %s, and those who ask at the same time do not notice", async (_, params) => {
    const { callAs } = replicas[0] as TestBroker;
    const [refused, ...others] = await Promise.allSettled([
      callAs(undefined, "users.resolve", { checked_at: new Date().toISOString(), ...params }),
      ...Array.from({ length: 5 }, () => resolve({ subject: someone() })),
    ]);
    expect(refused).toMatchObject({ status: "rejected", reason: { type: "VALIDATION_FAILED" } });
    expect(others.map(({ status }) => status)).toEqual(Array(5).fill("fulfilled"));
  });
});

describe("the profile of a user", () => {
  it("follows the token; what the token leaves out stays", async () => {
    const subject = someone();
    const first = { email: "a@mail.example", email_verified: false, preferred_username: "al" };
    const id = await resolve({ subject, profile: first });
    expect(await rowsOf(subject)).toEqual([{ id, ...first, version: 1 }]);
    await resolve({ subject, profile: { email_verified: true } });
    expect(await rowsOf(subject)).toEqual([{ id, ...first, email_verified: true, version: 2 }]);
    await resolve({ subject, profile: { email: "b@mail.example", preferred_username: "bo" } });
    const last = { email: "b@mail.example", email_verified: true, preferred_username: "bo" };
    expect(await rowsOf(subject)).toEqual([{ id, ...last, version: 3 }]);
  });

  it("is written only when there is news", async () => {
    const subject = someone();
    const profile = { email: "a@mail.example" };
    for (let count = 0; count < 3; count += 1) await resolve({ subject, profile });
    await resolve({ subject });
    expect(await rowsOf(subject)).toMatchObject([{ ...profile, version: 1 }]);
  });

  it("is of one token, whole, when several first ones say different things", async () => {
    const subject = someone();
    const profiles = Array.from({ length: 20 }, (_, index) => ({
      email: `${index}@mail.example`,
      preferred_username: `${index}`,
    }));
    await times(20, (index) => resolve({ subject, profile: profiles[index] as object }, index));
    const [row] = await rowsOf(subject);
    expect(profiles).toContainEqual({ email: row?.email, preferred_username: row?.preferred_username });
  });

  it("may change for many users at once, which each replica meets in an order of its own", async () => {
    const subjects = Array.from({ length: 300 }, someone);
    const orders = [subjects, subjects.toReversed(), subjects.toSorted()];
    for (let round = 0; round < 10; round += 1) {
      const profiles = orders.map((_, replica) => ({ email: `${round}-${replica}@mail.example` }));
      await Promise.all(
        orders.flatMap((order, replica) =>
          order.map((subject) => resolve({ subject, profile: profiles[replica] as object }, replica)),
        ),
      );
    }
    const [row] = await database.query(
      `select count(*)::int from users.users u join users.identities i on i.user_id = u.id
       where i.subject = any($1) and u.email like '9-%'`,
      [subjects],
    );
    expect(row).toEqual({ count: 300 });
  });
});

describe("users.me", () => {
  it("answers what the token and the last sign-in say, in the wire's form", async () => {
    const subject = someone();
    const profile = { email: "a@mail.example", email_verified: true };
    const id = await resolve({ subject, profile });
    const principal = principalOf(id, { subject, roles: ["administrator"] });
    const me = await (replicas[1] as TestBroker).callAs(principal, "users.me", {});
    expect(me).toMatchObject({ user_id: subject, id, ...profile, roles: ["administrator"] });
    expect(Me.parse(me)).toEqual(me);
  });

  it("answers 401 for a user who is gone", async () => {
    const subject = someone();
    const id = await resolve({ subject });
    await database.query("delete from users.users where id = $1", [id]);
    const asked = (replicas[0] as TestBroker).callAs(principalOf(id, { subject }), "users.me", {});
    await expect(asked).rejects.toMatchObject({ type: "UNAUTHENTICATED" });
  });

  it("makes a new user of an identity whose user is gone", async () => {
    const subject = someone();
    const gone = await resolve({ subject });
    await database.query("delete from users.users where id = $1", [gone]);
    const id = await resolve({ subject });
    expect(id).not.toBe(gone);
    expect(await rowsOf(subject)).toMatchObject([{ id }]);
  });

  it.each(["users.me", "users.protected"])("%s needs a principal", async (action) => {
    const asked = (replicas[0] as TestBroker).callAs(undefined, action, {});
    await expect(asked).rejects.toMatchObject({ type: "UNAUTHENTICATED" });
  });
});
