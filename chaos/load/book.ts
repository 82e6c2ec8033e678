/** The account book: what clients were told that it is done, and what they were not told. */
import { randomUUID } from "node:crypto";

/** Of those who have more, the oldest are let alone, so that choosing stays cheap. */
const CHOSEN_OF = 20;

export type ThingKind = "portfolio" | "account";

/** Something that is created with one Idempotency-Key. */
export interface Creation {
  readonly kind: ThingKind;
  readonly client: Client;
  /** Part of its name, and of no other's. */
  readonly mark: string;
  readonly key: string;
  state: "open" | "acknowledged" | "given up";
  /** When the client had its last answer. */
  endedAt: number;
  thing: Thing | undefined;
}

/** Something that was created, and is changed by one request at a time. */
export interface Thing {
  readonly kind: ThingKind;
  readonly client: Client;
  readonly mark: string;
  readonly id: string;
  /** The last revision that was asked for, and the last that was acknowledged. */
  attempted: number;
  acknowledged: number;
  deletion: "no" | "asked" | "acknowledged";
  isBusy: boolean;
}

/** A user. */
export interface Client {
  readonly token: string;
  /** What it may change, those of the beginning apart. */
  readonly things: Thing[];
  /** The portfolios that stay as they are, and that every list begins with. */
  readonly lasting: string[];
  /** The account that is linked to the first of them. */
  account: string;
}

export class Book {
  readonly creations: Creation[] = [];

  open(kind: ThingKind, client: Client): Creation {
    const creation: Creation = {
      kind,
      client,
      mark: randomUUID(),
      key: randomUUID(),
      state: "open",
      endedAt: 0,
      thing: undefined,
    };
    this.creations.push(creation);
    return creation;
  }

  acknowledge(creation: Creation, id: string, now: number): Thing {
    const { kind, client, mark } = creation;
    const thing: Thing = {
      kind,
      client,
      mark,
      id,
      attempted: 0,
      acknowledged: 0,
      deletion: "no",
      isBusy: false,
    };
    Object.assign(creation, { state: "acknowledged", endedAt: now, thing });
    return thing;
  }

  giveUp(creation: Creation, now: number): void {
    Object.assign(creation, { state: "given up", endedAt: now });
  }
}

/** The revision is in a portfolio's name, so that one row tells both. */
export function nameOf(mark: string, revision: number): string {
  return `${mark} r${revision}`;
}

export function revisionOf(name: string): { mark: string; revision: number } {
  const [mark = "", revision = ""] = name.split(" r");
  return { mark, revision: Number(revision) };
}

/** One of a client's newest things with which nothing is under way. */
export function chosen({ things }: Client): Thing | undefined {
  const from = Math.max(0, things.length - CHOSEN_OF);
  const thing = things[from + Math.floor(Math.random() * (things.length - from))];
  return thing?.isBusy ? undefined : thing;
}
