import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { connect, type NatsConnection } from "nats";
import { freePort } from "../../scripts/development/processes.ts";
import { ROOT, serviceNames } from "../k8s/support/code.ts";
import { untilReady } from "../support/system.ts";
import { service } from "./compose-file.ts";
import { makeSecrets, type Secrets } from "./secrets.ts";

describe("compose's NATS", () => {
  let folder: string;
  let secrets: Secrets;
  let port: number;
  let httpPort: number;
  let server: ReturnType<typeof spawn>;

  beforeAll(async () => {
    secrets = await makeSecrets();
    folder = await mkdtemp(join(tmpdir(), "butler-nats-"));
    await mkdir(join(folder, "etc/nats"), { recursive: true });
    await mkdir(join(folder, "etc/nats-secret"));
    await copyFile(
      join(secrets.folder, "nats/passwords.conf"),
      join(folder, "etc/nats-secret/passwords.conf"),
    );
    // The files as compose mounts them.
    for (const volume of service("nats").volumes ?? []) {
      const [from = "", to = ""] = volume.split(":");
      if (from.startsWith("./")) await copyFile(join(ROOT, from), join(folder, to));
    }
    [port, httpPort] = [await freePort(), await freePort()];
    const configuration = join(folder, service("nats").command?.at(-1) as string);
    const addresses = ["--addr", "127.0.0.1", "--port", String(port), "--http_port", String(httpPort)];
    server = spawn(process.env.TEST_NATS_BINARY as string, ["--config", configuration, ...addresses], {
      stdio: "ignore",
    });
    await untilReady(`http://127.0.0.1:${httpPort}/healthz`);
  }, 60_000);

  afterAll(async () => {
    const ended = once(server, "exit");
    server.kill();
    await ended;
    await secrets.remove();
    await rm(folder, { recursive: true, force: true });
  });

  async function connectAs(user: string, pass: string): Promise<NatsConnection> {
    return await connect({ servers: `127.0.0.1:${port}`, user, pass, reconnect: false });
  }

  it.each(serviceNames)("lets %s in with the password of its own secret", async (name) => {
    const url = new URL((await readFile(join(secrets.folder, name, "nats-url"), "utf8")).trim());
    expect(url.host).toBe("nats:4222");
    const connection = await connectAs(url.username, url.password);
    connection.publish("MOL-butler.HEARTBEAT", "{}");
    await connection.flush();
    await connection.close();
  });

  it("lets nobody else in", async () => {
    await expect(connect({ servers: `127.0.0.1:${port}`, reconnect: false })).rejects.toThrow(
      /authorization.violation/i,
    );
    await expect(connectAs("portfolios", "portfolios")).rejects.toThrow(/authorization.violation/i);
  });

  it("answers the health check at the address that compose asks", () => {
    const asked = service("nats").healthcheck?.test?.at(-1);
    expect(asked).toBe("http://127.0.0.1:8222/healthz");
  });
});
