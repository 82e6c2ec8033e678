// A replica in a process of its own, to be killed or frozen: `node worker-process.ts <url> <service>`. Its task says
// when it begins and then waits for a line of input, after which it says whether it was told to stop.
import { once } from "node:events";
import { ConnectionPool } from "../../../services/common/database/pool.ts";
import { openJobs } from "../../../services/common/jobs.ts";

const [url, service] = process.argv.slice(2) as [string, string];
const ignore = () => undefined;
const pool = new ConnectionPool({
  client: { connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 10_000 },
  maxConnections: 3,
  minConnections: 1,
  acquireTimeoutMs: 5_000,
  idleTimeoutMs: 600_000,
  maxLifetimeMs: 1_800_000,
  warn: ignore,
  metrics: { watch: ignore, acquired: ignore, timedOut: ignore, refused: ignore },
});
await pool.open();
const log = { info: ignore, warn: ignore, error: ignore };
await openJobs({
  service,
  pool,
  log,
  tasks: {
    async work(_, { signal }) {
      process.stdout.write("begun\n");
      await once(process.stdin, "data");
      process.stdout.write(`aborted: ${signal.aborted}\n`);
    },
  },
}).begin();
process.stdout.write("ready\n");
