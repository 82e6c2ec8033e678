import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { startNatsServer } from "../../scripts/development/nats-server.ts";
import { type Archive, obtainFromArchive } from "../../scripts/development/nats-server-archive.ts";
import { isRunning } from "../../scripts/development/processes.ts";

const run = promisify(execFile);
const program = "#!/bin/sh\necho 'nats-server: v2.12.7'\n";
let folder: string;
let content: Buffer;
let server: Server;
let archive: Archive;
let requests: string[];
const log: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "butler-archive-"));
  await mkdir(join(folder, "nats-server-fake"));
  await writeFile(join(folder, "nats-server-fake", "nats-server"), program);
  await chmod(join(folder, "nats-server-fake", "nats-server"), 0o755);
  await run("tar", ["-czf", join(folder, "fake.tar.gz"), "-C", folder, "nats-server-fake"]);
  content = await readFile(join(folder, "fake.tar.gz"));
  server = createServer((request, response) => {
    requests.push(request.url ?? "");
    if (request.url === "/nats-server-fake.tar.gz") response.end(content);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  archive = {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    name: "nats-server-fake",
    sha256: createHash("sha256").update(content).digest("hex"),
  };
});

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

let cacheFolder: string;
beforeEach(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), "butler-cache-"));
  requests = [];
  log.length = 0;
});
afterEach(() => rm(cacheFolder, { recursive: true, force: true }));

function obtain(wanted: Archive, cachedOnly = false) {
  const { signal } = new AbortController();
  return obtainFromArchive({ cacheFolder, cachedOnly, log: (line) => log.push(line), signal }, wanted);
}

describe("obtainFromArchive", () => {
  it("gives the binary of an archive with the right checksum, and from then on the cached one", async () => {
    const binary = await obtain(archive);
    expect(binary).toBe(join(cacheFolder, "nats-server-fake", "nats-server"));
    expect((await run(binary as string, [])).stdout).toContain("nats-server: v2.12.7");
    expect(await obtain(archive)).toBe(binary);
    expect(requests).toEqual(["/nats-server-fake.tar.gz"]);
  });

  it("gives nothing, and keeps nothing, when the checksum is another", async () => {
    expect(await obtain({ ...archive, sha256: "0".repeat(64) })).toBeUndefined();
    expect(log.join()).toContain(archive.sha256);
    expect(await readdir(cacheFolder)).toEqual([]);
  });

  it("gives nothing when the server does not have it, and says so", async () => {
    expect(await obtain({ ...archive, name: "nats-server-other" })).toBeUndefined();
    expect(log.join()).toContain("/nats-server-other.tar.gz answered 404");
    expect(await readdir(cacheFolder)).toEqual([]);
  });

  it("gives every one of several callers at once the same whole binary", async () => {
    const binaries = await Promise.all(Array.from({ length: 5 }, () => obtain(archive)));
    expect(new Set(binaries)).toEqual(new Set([join(cacheFolder, "nats-server-fake", "nats-server")]));
    expect(await readFile(binaries[0] as string, "utf8")).toBe(program);
    expect(await readdir(cacheFolder)).toEqual(["nats-server-fake"]);
  });

  it("asks no server when only what is cached is wanted", async () => {
    expect(await obtain(archive, true)).toBeUndefined();
    expect(requests).toEqual([]);
  });
});

describe("startNatsServer", () => {
  it("returns a server that accepts connections, and leaves none when stopped", async () => {
    const nats = await startNatsServer({ binary: process.env.TEST_NATS_BINARY as string });
    const { port, hostname } = new URL(nats.url);
    expect(hostname).toBe("127.0.0.1");
    const greeting = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname).once("error", reject);
      socket.once("data", (data) => {
        resolve(String(data));
        socket.destroy();
      });
    });
    expect(greeting).toMatch(/^INFO /);
    await nats.stop();
    expect(await isRunning(nats.pid)).toBe(false);
  });

  it("says what the server said when it does not start", async () => {
    const binary = process.env.TEST_NATS_BINARY as string;
    const { port } = server.address() as AddressInfo;
    await expect(startNatsServer({ binary, port })).rejects.toThrow(/did not start.*address already in use/s);
  });
});
