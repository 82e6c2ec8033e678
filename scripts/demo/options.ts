// The command line of `npm run demo`.
import { parseArgs } from "node:util";

const daysMax = 365;
const daysDefault = 90;

export const help = `Fills one user of the system that \`npm start\` runs with examples: npm run demo [-- <username> [options]]

  <username>     alice unless given
  --days <n>     days of history, 0 to ${daysMax}; ${daysDefault} unless given
  --help         this text

It makes two accounts kept by hand, and a portfolio of them with targets, guardrails, an allocation, a
recommendation where there is something to do, and a snapshot of today. All of it over the HTTP API, which takes
snapshots of today only: those of the days before, at made-up prices and marked as samples, are written
into the development database, and only into the one that \`npm start\` has embedded.
What is there already is brought up to date; nothing is made twice, and nothing else of the user is touched.
Also read: SERVER_HOST (127.0.0.1), SERVER_PORT (3000), as by \`npm start\`.
`;

export type DemoOptions = { help: true } | { help: false; username: string; days: number };

/** Reads the arguments. @throws an Error whose message says what is wrong and what would be right. */
export function parseDemoOptions(args: readonly string[]): DemoOptions {
  const { values, positionals } = parse(args);
  if (values.help) return { help: true };
  const [username = "alice", ...others] = positionals;
  if (others.length > 0) throw new Error("Give one user name. See: npm run demo -- --help");
  const days = Number(values.days ?? daysDefault);
  if (!/^\d+$/.test(values.days ?? "0") || days > daysMax) {
    throw new Error(`--days ${values.days}: the number must be 0 to ${daysMax}, as in --days ${daysDefault}`);
  }
  return { help: false, username, days };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: { help: { type: "boolean", short: "h" }, days: { type: "string" } },
      allowPositionals: true,
    });
  } catch (error) {
    throw new Error(`${(error as Error).message.split(". ")[0]}. See: npm run demo -- --help`);
  }
}
