import { parseArgs } from "node:util";
import { ChaosError } from "./errors.ts";
import type { Fault } from "./fault.ts";
import { events } from "./faults/events.ts";
import { killedNats, natsFaults } from "./faults/nats.ts";
import { overloads } from "./faults/overload.ts";
import { postgresFaults, terminated } from "./faults/postgres.ts";
import { relay } from "./faults/relay.ts";
import { killed, replicaFaults, rolling } from "./faults/replicas.ts";
import { soak } from "./faults/soak.ts";
import { SERVICES, type Service } from "./stage.ts";

const HELP = `Usage: npm run chaos -- [options]

Breaks this system in every way that it promises to bear, one fault after another, under a constant load, and tells what
came of it. Everything is real, on this machine and removed afterwards: two gateways, two replicas of each service,
nats-server, PostgreSQL with durable defaults, a token issuer, and fault proxies between each replica and its servers.

The load is sent at its time whether or not earlier requests were answered: a fifth are writes (portfolios and accounts
created with an Idempotency-Key and sent again when they fail, changed, deleted), over both gateways, to those that say
at /ready that they are. Every write that was acknowledged is in an account book, which is compared with the database
after each fault, and with what is answered over HTTP at the end.

  sent, failed    requests, and those of them that were not answered as they should
  late            failed, though sent when all should have been well again (per fault, see docs/reliability.md)
  back s          from the fault's begin or end (see there) until the last request was sent that failed
  told ms         the longest that anyone waited to be told of a failure
  P99 ms          of the requests that succeeded
  lost            acknowledged, and not there
  doubled         effects that came twice

Options:
  --only <names>      only these faults, comma separated; the beginning of a name stands for all that begin so
  --list              the names
  --short             a handful of faults on fewer replicas, in less than a minute
  --soak              also ten minutes at half load, with memory, handles and connections
  --rate <n>          requests a second (default 500; 100 with --short)
  --rounds <n>        rounds of the rolling restart (default 20)
  --events <n>        events under random kills (default 100000)
  --soak-minutes <n>  default 10
  --room <ms>         so much more than is promised, for a machine that is busy (default 0)
  --keep              keep the processes' logs, and say where they are; they are also kept when a promise is broken
  --help              this text

The last line is "chaos: faults=<n> lost=<n> doubled=<n> rolling_failed=<n> unrecovered=<n>".
Exit code: 0 when every promise held; 1 otherwise; 130 when interrupted.`;

export interface ChaosOptions {
  readonly faults: readonly Fault[];
  readonly rate: number;
  readonly clients: number;
  readonly roomMs: number;
  readonly replicas: Readonly<Record<Service, number>>;
  readonly keepsLogs: boolean;
}

const TWO_EACH = Object.fromEntries(SERVICES.map((service) => [service, 2])) as Record<Service, number>;
const FEWER = { gateway: 2, auth: 1, users: 1, portfolios: 2, accounts: 1, market: 1 };

const ROUNDS = 20;
const EVENTS = 100_000;
const SOAK_MINUTES = 10;

/** All faults in their order, the soak last. */
export function faultsOf({ rounds = ROUNDS, events: count = EVENTS, soakMinutes = SOAK_MINUTES }): Fault[] {
  return [
    ...replicaFaults(rounds),
    ...natsFaults,
    ...postgresFaults,
    ...overloads,
    relay,
    events(count),
    soak(soakMinutes),
  ];
}

/** Reads the command line. @returns a text when that is asked for. @throws {ChaosError} */
export function readOptions(argumentList: readonly string[]): ChaosOptions | string {
  const values = parse(argumentList);
  if (values.help) return HELP;
  const all = faultsOf({
    rounds: wholeNumber("rounds", values.rounds, ROUNDS, 1_000),
    events: wholeNumber("events", values.events, EVENTS, 10_000_000),
    soakMinutes: wholeNumber("soak-minutes", values["soak-minutes"], SOAK_MINUTES, 1_000),
  });
  if (values.list) return all.map(({ name, title }) => `${name.padEnd(26)}${title}`).join("\n");
  const usual = values.short ? short : values.soak ? all : all.slice(0, -1);
  const faults = values.only === undefined ? usual : chosen(values.only, all);
  return {
    faults,
    rate: wholeNumber("rate", values.rate, values.short ? 100 : 500, 20_000),
    clients: values.short ? 20 : 150,
    roomMs: values.room === "0" ? 0 : wholeNumber("room", values.room, 0, 60_000),
    replicas: values.short ? FEWER : TWO_EACH,
    keepsLogs: values.keep ?? false,
  };
}

const short = [
  killed("portfolios"),
  rolling("rolling", ["portfolios", "gateway"], 1),
  killedNats,
  terminated,
];

function chosen(names: string, all: readonly Fault[]): Fault[] {
  return names.split(",").flatMap((name) => {
    const exact = all.filter((fault) => fault.name === name.trim());
    const found = exact.length > 0 ? exact : all.filter((fault) => fault.name.startsWith(name.trim()));
    if (found.length === 0) throw new ChaosError(`there is no fault "${name}". See: npm run chaos -- --list`);
    return found;
  });
}

function wholeNumber(name: string, value: string | undefined, fallback: number, maximum: number): number {
  if (value === undefined) return fallback;
  const number = /^\d{1,9}$/.test(value) ? Number(value) : 0;
  if (number < 1 || number > maximum) {
    throw new ChaosError(`--${name} must be a whole number from 1 to ${maximum}, but is "${value}".`);
  }
  return number;
}

function parse(argumentList: readonly string[]) {
  try {
    return parseArgs({
      args: [...argumentList],
      options: {
        only: { type: "string" },
        list: { type: "boolean" },
        short: { type: "boolean" },
        soak: { type: "boolean" },
        rate: { type: "string" },
        rounds: { type: "string" },
        events: { type: "string" },
        "soak-minutes": { type: "string" },
        room: { type: "string" },
        keep: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
      strict: true,
      allowPositionals: false,
    }).values;
  } catch (error) {
    throw new ChaosError(`${(error as Error).message.split(". ")[0]}. See: npm run chaos -- --help`);
  }
}
