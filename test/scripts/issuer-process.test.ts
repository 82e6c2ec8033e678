import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { startInfrastructure } from "../../scripts/development/infrastructure-client.ts";
import { apiUrlOf } from "../../scripts/development/issuer-addresses.ts";
import { freePort } from "../../scripts/development/processes.ts";

const root = join(import.meta.dirname, "..", "..");
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "butler-issuer-process-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function start(parts: { environment: string | undefined; issuer?: { folder: string } }) {
  return startInfrastructure({ parts, environment: process.env, log: () => {} });
}

/** Whether something on this machine answers at this address. */
async function accepts(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port, timeout: 2_000 });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once("connect", () => resolve(true));
  for (const event of ["error", "timeout"]) socket.once(event, () => resolve(false));
  return promise.finally(() => socket.destroy());
}

describe("the development issuer", () => {
  it("starts when the order names it, and listens on 127.0.0.1 only", async () => {
    const port = await freePort();
    await writeFile(join(folder, "port"), String(port));
    const infrastructure = start({ environment: undefined, issuer: { folder } });
    try {
      expect((await infrastructure.issuer).issuer).toBe(`http://127.0.0.1:${port}`);
      const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
      const others = addresses.map(({ address }) => address).filter((address) => address !== "127.0.0.1");
      const answers = await Promise.all(["127.0.0.1", ...others].map((host) => accepts(host, port)));
      expect(answers).toEqual([true, ...others.map(() => false)]);
    } finally {
      await infrastructure.stop();
    }
  });

  it("does not start when the order does not name it", async () => {
    const infrastructure = start({ environment: undefined });
    let started = false;
    void infrastructure.issuer.then(() => {
      started = true;
    });
    await infrastructure.stop();
    expect(started).toBe(false);
  });

  it("fails the start of a production system that names it", async () => {
    const infrastructure = start({ environment: "production", issuer: { folder } });
    expect(await infrastructure.failed).toMatch(/NODE_ENV=production: set OIDC_ISSUER and OIDC_AUDIENCE/);
    await infrastructure.stop();
  });

  it("is beyond the services' reach", async () => {
    const files = await readdir(join(root, "services"), { recursive: true });
    const sources = files.filter((file) => file.endsWith(".ts"));
    const contents = await Promise.all(sources.map((file) => readFile(join(root, "services", file), "utf8")));
    expect(contents.length).toBeGreaterThan(0);
    expect(contents.filter((content) => /oidc-provider|scripts\//.test(content))).toEqual([]);
  });
});

describe("apiUrlOf", () => {
  it.each([
    [{}, "http://127.0.0.1:3000"],
    [{ SERVER_HOST: "0.0.0.0", SERVER_PORT: "8080" }, "http://127.0.0.1:8080"],
    [{ SERVER_HOST: "::" }, "http://[::1]:3000"],
    [{ SERVER_HOST: "fd00::5" }, "http://[fd00::5]:3000"],
    [{ SERVER_HOST: "butler.local" }, "http://butler.local:3000"],
  ])("with %j reaches the gateway at %s", (environment, url) => {
    expect(apiUrlOf(environment as Record<string, string>)).toBe(url);
  });
});
