/** What clients read, and how they judge it. */
import type { Ask } from "./ask.ts";
import { type Client, revisionOf, type Thing } from "./book.ts";

export interface Reads {
  /** One of the reads, chosen at random; of that thing, if there is one. */
  read(client: Client, thing: Thing | undefined): Promise<void>;
}

export function reads(ask: Ask): Reads {
  /** It must show what was acknowledged when it was sent, or what came later. */
  async function readBack(client: Client, thing: Thing): Promise<void> {
    const { acknowledged } = thing;
    // Nobody deletes it meanwhile.
    thing.isBusy = true;
    const request = { method: "GET", path: `/v1/${thing.kind}s/${thing.id}` } as const;
    await ask(client, "read", `get ${thing.kind}`, request, ({ text }) =>
      shownRevision(thing, text) < acknowledged ? "older than what was acknowledged" : undefined,
    );
    thing.isBusy = false;
  }

  async function list(client: Client): Promise<void> {
    const path = "/v1/portfolios?limit=10";
    await ask(client, "read", "list portfolios", { method: "GET", path }, ({ text }) =>
      client.lasting.every((id) => text.includes(id)) ? undefined : "a portfolio is missing in the list",
    );
  }

  const get = (client: Client, operation: string, path: string) =>
    ask(client, "read", operation, { method: "GET", path });

  return {
    async read(client, thing) {
      const dice = Math.random();
      if (dice < 0.45) await list(client);
      else if (dice < 0.65 && thing) await readBack(client, thing);
      else if (dice < 0.75) await get(client, "list accounts", "/v1/accounts?limit=10");
      else if (dice < 0.85)
        await get(client, "holdings of portfolio", `/v1/portfolios/${client.lasting[0]}/holdings`);
      else if (dice < 0.93) await get(client, "me", "/v1/me");
      else await get(client, "list chains", "/v1/chains");
    },
  };
}

function shownRevision({ kind }: Thing, text: string): number {
  const shown = JSON.parse(text) as { name: string; holdings?: { quantity: string }[] };
  return kind === "portfolio" ? revisionOf(shown.name).revision : Number(shown.holdings?.[0]?.quantity ?? 0);
}
