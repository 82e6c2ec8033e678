// `node scripts/release/probe.ts /ready`: exit 0 when the process of this container answers 200 there, else 1 and why.
import { get } from "node:http";

const timeoutMs = 2_500;
const path = process.argv[2] ?? "/health";
const { METRICS_PORT, METRICS_HOST } = process.env;
// It listens on all addresses unless told otherwise.
const host = METRICS_HOST && METRICS_HOST !== "0.0.0.0" && METRICS_HOST !== "::" ? METRICS_HOST : "127.0.0.1";

const request = get({ host, port: METRICS_PORT || 3030, path, timeout: timeoutMs }, (response) => {
  let body = "";
  response.setEncoding("utf8").on("data", (chunk) => (body += chunk));
  response.on("end", () => end(response.statusCode === 200, `${response.statusCode} ${body}`));
});
request.on("timeout", () => end(false, `no answer within ${timeoutMs} ms`));
request.on("error", ({ message }) => end(false, message));

/** Docker keeps what is written here as the health check's output. */
function end(isWell: boolean, answer: string): never {
  console.log(`${path}: ${answer.slice(0, 500)}`);
  process.exit(isWell ? 0 : 1);
}
