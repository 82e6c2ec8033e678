import { describe, expect, it } from "@jest/globals";
import { type Audit, compare, type Row } from "../../chaos/load/audit.ts";
import { Book, type Client, type Creation, type Thing } from "../../chaos/load/book.ts";

const client: Client = { token: "", things: [], lasting: [], account: "" };

/** A book with one portfolio whose creation was acknowledged at 1,000 ms. */
function acknowledged(): { book: Book; creation: Creation; thing: Thing } {
  const book = new Book();
  const creation = book.open("portfolio", client);
  return { book, creation, thing: book.acknowledge(creation, "id-1", 1_000) };
}

function row({ mark }: { mark: string }, different: Partial<Row> = {}): Row {
  return { id: "id-1", mark, revision: 0, version: 1, createdAt: 990, ...different };
}

function audit(book: Book, rows: readonly Row[]): Audit {
  return compare(book, { portfolio: Map.groupBy(rows, ({ mark }) => mark), account: new Map() });
}

describe("the account book's audit", () => {
  it("finds nothing wrong when what was acknowledged is there, once", () => {
    const { book, creation } = acknowledged();
    expect(audit(book, [row(creation)])).toEqual({ checked: 1, lost: [], doubled: [], late: [] });
  });

  it("finds what was acknowledged and is not there, or under another id", () => {
    const { book, creation } = acknowledged();
    expect(audit(book, []).lost).toHaveLength(1);
    expect(audit(book, [row(creation, { id: "id-2" })]).lost).toHaveLength(1);
  });

  it("finds two effects of one key", () => {
    const { book, creation } = acknowledged();
    expect(audit(book, [row(creation), row(creation, { id: "id-2" })]).doubled).toHaveLength(1);
  });

  it("finds a change that was acknowledged and is not there, and takes one that was not acknowledged", () => {
    const { book, creation, thing } = acknowledged();
    Object.assign(thing, { attempted: 3, acknowledged: 2 });
    expect(audit(book, [row(creation, { revision: 1, version: 2 })]).lost).toHaveLength(1);
    expect(audit(book, [row(creation, { revision: 2, version: 3 })]).lost).toEqual([]);
    expect(audit(book, [row(creation, { revision: 3, version: 4 })]).lost).toEqual([]);
  });

  it("finds more changes than were asked for", () => {
    const { book, creation, thing } = acknowledged();
    Object.assign(thing, { attempted: 1, acknowledged: 1 });
    expect(audit(book, [row(creation, { revision: 1, version: 3 })]).doubled).toHaveLength(1);
  });

  it("finds what is there although its deletion was acknowledged; while it was not, both may be", () => {
    const { book, creation, thing } = acknowledged();
    thing.deletion = "asked";
    expect(audit(book, [row(creation)]).lost).toEqual([]);
    expect(audit(book, []).lost).toEqual([]);
    thing.deletion = "acknowledged";
    expect(audit(book, [row(creation)]).lost).toHaveLength(1);
    expect(audit(book, []).lost).toEqual([]);
  });

  it("finds what was created after its client was told that it failed", () => {
    const book = new Book();
    const creation = book.open("portfolio", client);
    book.giveUp(creation, 1_000);
    expect(audit(book, [row(creation, { createdAt: 1_050 })])).toMatchObject({ lost: [], late: [] });
    expect(audit(book, [row(creation, { createdAt: 1_200 })]).late).toHaveLength(1);
    expect(audit(book, []).lost).toEqual([]);
  });
});
