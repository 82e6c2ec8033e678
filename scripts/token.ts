// `npm run -s token -- alice`: an access token of the running system's development issuer.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { developmentClient, developmentGrant } from "./development/development-grant.ts";
import { currentRun } from "./development/run-file.ts";

const help = `Prints an access token for a user of the system that \`npm start\` runs, and nothing else:
  npm run -s token -- <username> [--role user|administrator]

The user need not exist; the system learns of it with the first request.
`;
const answerTimeoutMs = 10_000;

try {
  console.log(await answer());
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

async function answer(): Promise<string> {
  const { values, positionals } = parse();
  if (values.help) return help;
  const [username, ...others] = positionals;
  if (username === undefined || others.length > 0) throw new Error(`Give one user name.\n${help}`);
  const run = await currentRun(join(import.meta.dirname, "..", ".data"));
  if (run === undefined)
    throw new Error("The system does not run: start it with `npm start`, in another terminal");
  if (!run.ready || run.tokens === undefined)
    throw new Error("The system is still starting: try again in a moment");
  if ("outside" in run.tokens) {
    throw new Error(
      `The system runs with an outside issuer (${run.tokens.outside}): get the token from there`,
    );
  }
  return requestToken(run.tokens.endpoint, username, values.role);
}

async function requestToken(endpoint: string, username: string, role: string): Promise<string> {
  const response = await fetch(endpoint, {
    method: "POST",
    body: new URLSearchParams({ grant_type: developmentGrant, client_id: developmentClient, username, role }),
    signal: AbortSignal.timeout(answerTimeoutMs),
  });
  const answered = (await response.json()) as { access_token?: string; error_description?: string };
  if (response.ok && answered.access_token) return answered.access_token;
  throw new Error(answered.error_description ?? `The issuer answered ${response.status}`);
}

function parse() {
  try {
    return parseArgs({
      options: { help: { type: "boolean", short: "h" }, role: { type: "string", default: "user" } },
      allowPositionals: true,
    });
  } catch (error) {
    throw new Error(`${(error as Error).message.split(". ")[0]}.\n${help}`);
  }
}
