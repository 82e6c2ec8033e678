/** Compares the account book with what is there, in the database and over HTTP. */
import pg from "pg";
import { type Book, type Client, type Creation, revisionOf, type Thing, type ThingKind } from "./book.ts";
import { exchange } from "./http-client.ts";

/** Each entry as a sentence. */
export interface Audit {
  readonly checked: number;
  /** Acknowledged, and not there. */
  readonly lost: readonly string[];
  /** One key, or one change, with two effects. */
  readonly doubled: readonly string[];
  /** Done after the client had been told that it failed. */
  readonly late: readonly string[];
}

/** So long after its answer, nothing of a request runs any more. */
const AFTERWARDS_MS = 100;
const PAGE_SIZE = 500;

/** What is in the database. */
export interface Row {
  readonly id: string;
  readonly mark: string;
  readonly revision: number;
  readonly version: number;
  readonly createdAt: number;
}

/** While nothing is under way. */
export async function auditDatabase(book: Book, databaseUrl: string): Promise<Audit> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: "chaos audit" });
  await client.connect();
  try {
    const found = { portfolio: await portfolios(client), account: await accounts(client) };
    return compare(book, found);
  } finally {
    await client.end();
  }
}

export type Found = Readonly<Record<ThingKind, ReadonlyMap<string, readonly Row[]>>>;

/** @param found the rows of each kind by their mark. */
export function compare(book: Book, found: Found): Audit {
  const audit = { checked: 0, lost: [] as string[], doubled: [] as string[], late: [] as string[] };
  for (const creation of book.creations) {
    const rows = found[creation.kind].get(creation.mark) ?? [];
    audit.checked += 1;
    if (rows.length > 1) audit.doubled.push(told(creation, `is there ${rows.length} times`));
    if (creation.thing) compareThing(creation.thing, creation, rows, audit);
    const [row] = rows;
    if (creation.state === "given up" && row && row.createdAt > creation.endedAt + AFTERWARDS_MS) {
      audit.late.push(told(creation, `was created ${Math.round(row.createdAt - creation.endedAt)} ms later`));
    }
  }
  return audit;
}

function compareThing(
  thing: Thing,
  creation: Creation,
  rows: readonly Row[],
  { lost, doubled }: { lost: string[]; doubled: string[] },
): void {
  const row = rows.find(({ id }) => id === thing.id);
  if (thing.deletion === "acknowledged" && row)
    lost.push(told(creation, "is there, though its deletion was acknowledged"));
  if (thing.deletion === "no" && !row) lost.push(told(creation, "is not there"));
  if (!row) return;
  if (row.revision < thing.acknowledged) {
    lost.push(told(creation, `has revision ${row.revision} instead of ${thing.acknowledged}`));
  }
  if (row.version - 1 > thing.attempted) {
    doubled.push(told(creation, `was changed ${row.version - 1} times by ${thing.attempted} requests`));
  }
}

function told({ kind, mark, state, thing }: Creation, what: string): string {
  return `${kind} ${mark} (${thing?.id ?? "no id"}, ${state}) ${what}`;
}

async function portfolios(client: pg.Client) {
  const { rows } = await client.query<{ id: string; name: string; version: number; created: string }>(
    "select id, name, version, extract(epoch from created_at) * 1000 as created from portfolios.portfolios",
  );
  return byMark(
    rows.map(({ id, name, version, created }) => ({
      ...revisionOf(name),
      id,
      version,
      createdAt: Number(created),
    })),
  );
}

async function accounts(client: pg.Client) {
  const { rows } = await client.query<{
    id: string;
    name: string;
    version: number;
    created: string;
    quantity: string | null;
  }>(`
    select a.id, a.name, a.version, extract(epoch from a.created_at) * 1000 as created, h.quantity
    from accounts.accounts a left join accounts.holdings h on h.account_id = a.id and h.asset = 'BTC'`);
  return byMark(
    rows.map(({ id, name, version, created, quantity }) => ({
      id,
      mark: name,
      revision: Number(quantity ?? 0),
      version,
      createdAt: Number(created),
    })),
  );
}

function byMark(rows: readonly Row[]): Map<string, Row[]> {
  return Map.groupBy(rows, ({ mark }) => mark);
}

/** Reads each client's lists to their end. @returns what was acknowledged, and is not shown. */
export async function auditOverHttp(
  book: Book,
  clients: readonly Client[],
  url: () => string,
): Promise<string[]> {
  const missing: string[] = [];
  const ofClient = Map.groupBy(book.creations, ({ client }) => client);
  for (const client of clients) {
    for (const kind of ["portfolio", "account"] as const) {
      const shown = await namesOf(client, kind, url);
      for (const creation of ofClient.get(client) ?? []) {
        const { thing } = creation;
        if (creation.kind !== kind || !thing || thing.deletion !== "no") continue;
        const revision = shown.get(thing.id);
        if (revision === undefined) missing.push(told(creation, "is not in the list"));
        else if (kind === "portfolio" && revision < thing.acknowledged)
          missing.push(told(creation, `is shown with revision ${revision} instead of ${thing.acknowledged}`));
      }
    }
  }
  return missing;
}

/** The revision of each by its id. */
async function namesOf(client: Client, kind: ThingKind, url: () => string): Promise<Map<string, number>> {
  const shown = new Map<string, number>();
  for (let path: string | undefined = `/v1/${kind}s?limit=${PAGE_SIZE}`; path; ) {
    const reply = await exchange({ url: url(), method: "GET", path, token: client.token });
    if (reply.status !== 200) throw new Error(`${path} answered ${reply.status} ${reply.error} in the audit`);
    for (const { id, name } of JSON.parse(reply.text) as { id: string; name: string }[]) {
      shown.set(id, revisionOf(name).revision);
    }
    path = /<([^>]+)>;\s*rel="next"/.exec(reply.link ?? "")?.[1];
  }
  return shown;
}
