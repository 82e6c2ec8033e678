/** What clients change, and write into the account book. */
import { setTimeout as sleep } from "node:timers/promises";
import { nowMs } from "../clock.ts";
import type { Ask, Question } from "./ask.ts";
import { type Book, type Client, type Creation, nameOf, type Thing } from "./book.ts";
import type { Reply } from "./http-client.ts";

const CREATE_ATTEMPTS = 5;
const RETRY_PAUSE_MS = 700;
/** So much of what was acknowledged is sent again, and has to get the same answer. */
const REPEATED_SHARE = 0.05;
const LASTING_PORTFOLIOS = 3;
/** Of what is created; a user may have only so many accounts. */
const PORTFOLIO_SHARE = 0.85;

export interface Writes {
  /** One of the writes, chosen at random; on that thing, if there is one. */
  write(client: Client, thing: Thing | undefined): Promise<void>;
  /** What a client has before the load begins. */
  settle(client: Client): Promise<void>;
}

export function writes(book: Book, ask: Ask): Writes {
  /** Until it is acknowledged, or several attempts with one key have failed. */
  async function create(creation: Creation): Promise<Thing | undefined> {
    const { client, kind, mark, key } = creation;
    const body = kind === "portfolio" ? { name: nameOf(mark, 0) } : { name: mark, account_type: "manual" };
    const request = { method: "POST", path: `/v1/${kind}s`, body, idempotencyKey: key } as const;
    for (let attempt = 1; attempt <= CREATE_ATTEMPTS; attempt += 1) {
      const reply = await ask(client, "write", `create ${kind}`, request);
      if (reply) {
        const thing = book.acknowledge(creation, idOf(reply), nowMs());
        if (Math.random() < REPEATED_SHARE) {
          await ask(client, "write", `repeat of create ${kind}`, request, (again) =>
            idOf(again) === thing.id ? undefined : "another id for the same Idempotency-Key",
          );
        }
        return thing;
      }
      await sleep(RETRY_PAUSE_MS * (0.5 + Math.random()));
    }
    book.giveUp(creation, nowMs());
    return undefined;
  }

  async function createAnother(client: Client): Promise<void> {
    const thing = await create(book.open(Math.random() < PORTFOLIO_SHARE ? "portfolio" : "account", client));
    if (thing) client.things.push(thing);
  }

  async function change(client: Client, thing: Thing): Promise<void> {
    thing.isBusy = true;
    thing.attempted += 1;
    const revision = thing.attempted;
    const done = await ask(client, "write", `change ${thing.kind}`, changeOf(thing, revision));
    if (done) thing.acknowledged = revision;
    thing.isBusy = false;
  }

  async function remove(client: Client, thing: Thing): Promise<void> {
    thing.isBusy = true;
    thing.deletion = "asked";
    const path = `/v1/${thing.kind}s/${thing.id}`;
    if (await ask(client, "write", `delete ${thing.kind}`, { method: "DELETE", path }))
      thing.deletion = "acknowledged";
    client.things.splice(client.things.indexOf(thing), 1);
  }

  return {
    async write(client, thing) {
      const dice = Math.random();
      if (dice < 0.5 || !thing) await createAnother(client);
      else if (dice < 0.85) await change(client, thing);
      else await remove(client, thing);
    },
    async settle(client) {
      for (let count = 0; count < LASTING_PORTFOLIOS; count += 1) {
        const portfolio = await create(book.open("portfolio", client));
        if (portfolio) client.lasting.push(portfolio.id);
      }
      const account = await create(book.open("account", client));
      if (!account) return;
      client.account = account.id;
      await change(client, account);
      const path = `/v1/portfolios/${client.lasting[0]}/accounts`;
      const body = { account_id: account.id };
      await ask(client, "write", "link account", { method: "POST", path, body });
    },
  };
}

function changeOf({ kind, mark, id }: Thing, revision: number): Question {
  return kind === "portfolio"
    ? { method: "PUT", path: `/v1/portfolios/${id}`, body: { name: nameOf(mark, revision) } }
    : {
        method: "PUT",
        path: `/v1/accounts/${id}/holdings`,
        body: [{ asset: "BTC", quantity: String(revision) }],
      };
}

function idOf({ text }: Reply): string {
  return (JSON.parse(text) as { id: string }).id;
}
