import { setTimeout as sleep } from "node:timers/promises";
import { nowMs } from "../clock.ts";
import type { Course, Fault } from "../fault.ts";
import type { Stage } from "../stage.ts";

const USERS = 10;
const ACCOUNTS_EACH = 40;
/** A dead relay is taken over within this. */
const TAKEN_OVER_WITHIN_MS = 30_000;
const BETWEEN_KILLS_MS = 700;
const ATTEMPTS_MAX = 100;
const RETRY_PAUSE_MS = 200;
const HEARER = "portfolios.accountDeleted";

interface Owner {
  readonly token: string;
  readonly accounts: readonly string[];
}

/** Sends it until it succeeds, or turns out to be done. */
async function send({ replicas }: Stage, token: string, method: string, path: string, body?: object) {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const gateways = replicas.flatMap(({ url }) => url ?? []);
    const headers = {
      Authorization: `Bearer ${token}`,
      ...(body && { "Content-Type": "application/json" }),
    };
    const reply = await fetch(gateways[attempt % gateways.length] + path, {
      method,
      headers,
      body: body ? JSON.stringify(body) : null,
    }).catch(() => undefined);
    const text = await reply?.text();
    if (reply && text !== undefined && (reply.ok || reply.status === 404)) return text;
    await sleep(RETRY_PAUSE_MS);
  }
  throw new Error(`${method} ${path} did not succeed in ${ATTEMPTS_MAX} attempts`);
}

function idOf(text: string): string {
  return (JSON.parse(text) as { id: string }).id;
}

/** A user with accounts that are all linked to a portfolio. */
async function owner(stage: Stage, number: number): Promise<Owner> {
  const token = await stage.issuer.token(`relay-${nowMs()}-${number}`);
  const portfolio = idOf(await send(stage, token, "POST", "/v1/portfolios", { name: "Relay" }));
  const accounts: string[] = [];
  for (let index = 0; index < ACCOUNTS_EACH; index += 1) {
    const account = { name: `Relay ${index}`, account_type: "manual" };
    accounts.push(idOf(await send(stage, token, "POST", "/v1/accounts", account)));
  }
  await send(stage, token, "PUT", `/v1/portfolios/${portfolio}/accounts`, { account_ids: accounts });
  return { token, accounts };
}

async function killInTurn({ stage, end }: { stage: Stage; end: () => void }): Promise<void> {
  for (const service of ["accounts", "portfolios", "accounts"] as const) {
    await sleep(BETWEEN_KILLS_MS);
    const [victim] = stage.replicasOf(service);
    if (!victim) continue;
    victim.signal("SIGKILL");
    end();
    await stage.forget(victim);
    await stage.start(victim.slot);
  }
}

async function count({ stage }: Course, sql: string, values: readonly unknown[] = []): Promise<number> {
  const [row] = await stage.postgres.query<{ count: number }>(`select count(*)::int ${sql}`, values);
  return row?.count ?? 0;
}

export const relay: Fault = {
  name: "events-relay",
  title: `relays and hearers killed with ${USERS * ACCOUNTS_EACH} events on their way`,
  promise: { goodAfterMs: 1_000, from: "end" },
  async run(course) {
    const { stage } = course;
    const owners = await Promise.all(Array.from({ length: USERS }, (_, number) => owner(stage, number)));
    const accounts = owners.flatMap((each) => each.accounts);
    const linked = "from portfolios.portfolio_accounts where account_id = any($1)";
    if ((await count(course, linked, [accounts])) !== accounts.length) throw new Error("Not all are linked.");
    const heard = `from portfolios.inbox where hearer = '${HEARER}'`;
    const heardBefore = await count(course, heard);
    course.begin();
    await Promise.all([
      killInTurn({ stage, end: () => course.end() }),
      ...owners.map(async ({ token, accounts }) => {
        for (const id of accounts) await send(stage, token, "DELETE", `/v1/accounts/${id}`);
      }),
    ]);
    const toldAt = nowMs();
    const limit = toldAt + TAKEN_OVER_WITHIN_MS + course.roomMs;
    const waiting = "from accounts.outbox where hearer = $1";
    while ((await count(course, waiting, [HEARER])) > 0 && nowMs() < limit) await sleep(100);
    course.note(`all told ${Math.round(nowMs() - toldAt)} ms after the last was stored`);
    const left = await count(course, linked, [accounts]);
    const unheard = await count(course, waiting, [HEARER]);
    const aside = await count(course, "from accounts.outbox_set_aside");
    // Others delete accounts meanwhile, so there may be more.
    const fewer = accounts.length - ((await count(course, heard)) - heardBefore);
    course.lost += Math.max(left, unheard, fewer, 0);
    if (left > 0) course.break(`${left} links to deleted accounts are left`);
    if (unheard > 0) course.break(`${unheard} events were not told within ${TAKEN_OVER_WITHIN_MS} ms`);
    if (fewer > 0) course.break(`${fewer} events were not heard`);
    if (aside > 0) course.break(`${aside} events were set aside`);
  },
};
