import type pg from "pg";

export const PORTFOLIOS_PER_USER = 3;
/** The portfolio, counted from 0, that the freshness round renames. */
export const RENAMED_PORTFOLIO = 1;
/** What the names of all portfolios begin with that the write rounds make. */
export const WRITTEN_NAME_PREFIX = "Written ";

const FIRST_CREATION_MS = Date.UTC(2026, 0, 1);
const TARGET_ALLOCATION = { BTC: 60, ETH: 40 };
const GUARDRAILS = { drift_band: 5, stablecoin_min: 0, futures_cap: 100, max_alt_cap: 100 };
const DEFAULT_DESCRIPTION = "Bought on the first of each month, never sold.";
const NAMES = ["Long term", "Trading", "Stablecoins"] as const;

/** A portfolio as both systems write it to JSON. */
export interface PortfolioReply {
  readonly id: string;
  readonly user_id: string;
  readonly name: string;
  readonly description?: string;
  readonly is_default: boolean;
  readonly target_allocation?: Readonly<Record<string, number>>;
  readonly guardrails?: Readonly<Record<string, number>>;
  readonly last_constructed_at?: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly version: number;
}

/** User number 1, 2, …: the numbers are all that is needed to know the whole seeded data again. */
export function seededUser(userNumber: number) {
  return {
    id: seededId(8, userNumber),
    subject: `user-${userNumber}`,
    email: `user-${userNumber}@bench.example`,
    preferredUsername: `user-${userNumber}`,
  };
}

/** The list that a user must be answered with: the default portfolio with targets and guardrails, and two plain ones. */
export function seededPortfolios(userNumber: number): PortfolioReply[] {
  return NAMES.map((name, index) => {
    const time = new Date(FIRST_CREATION_MS + userNumber * 1000 + index).toISOString();
    const plain = {
      id: seededId(9, userNumber * PORTFOLIOS_PER_USER + index),
      user_id: seededUser(userNumber).id,
      name,
      is_default: index === 0,
      created_at: time,
      updated_at: time,
      version: 1,
    };
    if (index > 0) return plain;
    return {
      ...plain,
      description: DEFAULT_DESCRIPTION,
      target_allocation: TARGET_ALLOCATION,
      guardrails: GUARDRAILS,
    };
  });
}

/** A UUID of version 7's shape with a number for its random part; `variant` 8 to b. */
function seededId(variant: 8 | 9, number: number): string {
  return `01890000-0000-7000-${variant}000-${number.toString(16).padStart(12, "0")}`;
}

/** Fills the migrated tables with users 1 … `users`, set-based, and lets the planner know. */
export async function seed(client: pg.Client, users: number, issuer: string): Promise<void> {
  const time = `to_timestamp(${FIRST_CREATION_MS / 1000}) + n * interval '1 second'`;
  await client.query(
    `insert into users.users (id, email, email_verified, preferred_username, created_at, updated_at)
     select ('01890000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'user-' || n || '@bench.example', true,
            'user-' || n, ${time}, ${time}
     from generate_series(1, $1::int) n`,
    [users],
  );
  await client.query(
    `insert into users.identities (issuer, subject, user_id)
     select $2, 'user-' || n, ('01890000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid
     from generate_series(1, $1::int) n`,
    [users, issuer],
  );
  await client.query(
    `insert into portfolios.portfolios
       (id, user_id, name, description, is_default, target_allocation, guardrails, created_at, updated_at)
     select ('01890000-0000-7000-9000-' || lpad(to_hex(n * ${PORTFOLIOS_PER_USER} + k), 12, '0'))::uuid,
            ('01890000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
            ($2::text[])[k + 1], case when k = 0 then $3 end, k = 0,
            case when k = 0 then $4::jsonb end, case when k = 0 then $5::jsonb end,
            ${time} + k * interval '1 millisecond', ${time} + k * interval '1 millisecond'
     from generate_series(1, $1::int) n, generate_series(0, ${PORTFOLIOS_PER_USER - 1}) k`,
    [users, [...NAMES], DEFAULT_DESCRIPTION, JSON.stringify(TARGET_ALLOCATION), JSON.stringify(GUARDRAILS)],
  );
  await tidy(client);
}

/** Takes away what a write round made. @returns how many portfolios that were. */
export async function removeWritten(client: pg.Client): Promise<number> {
  const { rowCount } = await client.query("delete from portfolios.portfolios where starts_with(name, $1)", [
    WRITTEN_NAME_PREFIX,
  ]);
  await tidy(client);
  return rowCount ?? 0;
}

/** Gives the portfolios that a freshness round renamed their seeded names back. */
export async function restoreNames(client: pg.Client, userNumbers: readonly number[]): Promise<void> {
  const ids = userNumbers.map((userNumber) => seededPortfolios(userNumber)[RENAMED_PORTFOLIO]?.id);
  await client.query("update portfolios.portfolios set name = $2 where id = any($1::uuid[])", [
    ids,
    NAMES[RENAMED_PORTFOLIO],
  ]);
  await tidy(client);
}

/** Leaves no dead rows, stale statistics or due checkpoint that would slow whoever is measured next. */
async function tidy(client: pg.Client): Promise<void> {
  await client.query("vacuum analyze");
  await client.query("checkpoint");
}
