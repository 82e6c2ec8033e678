// nats-server from the release archive of its project.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { obtainCached, type SourceOptions } from "./nats-server-cache.ts";

const run = promisify(execFile);
const downloadTimeoutMs = 30_000;
const archiveBytesMax = 64 * 1024 * 1024;

export type Archive = { baseUrl: string; name: string; sha256: string };

const release: Archive = {
  baseUrl: "https://github.com/nats-io/nats-server/releases/download/v2.12.7",
  name: "nats-server-v2.12.7-linux-amd64",
  sha256: "570d2d627db111e679cc1e6bc57ba78f373ed1769acd8dc9c21c8f62d15b3c52",
};

const isItsPlatform = process.platform === "linux" && process.arch === "x64";

/** The path of the binary, downloaded into the cache folder if need be; undefined when it cannot be had. */
export async function obtainFromArchive(
  options: SourceOptions,
  archive: Archive | undefined = isItsPlatform ? release : undefined,
): Promise<string | undefined> {
  if (archive === undefined) return undefined;
  return obtainCached(options, { name: archive.name, binary: "nats-server" }, async (unfinished) => {
    try {
      const file = join(unfinished, "archive.tar.gz");
      await writeFile(file, await download(archive, options.signal));
      await run("tar", ["-xzf", file, "-C", unfinished], { timeout: 30_000, signal: options.signal });
      return join(unfinished, archive.name);
    } catch (error) {
      const { message, cause } = error as Error;
      const reason = cause instanceof Error ? `${message} (${cause.message})` : message;
      options.log(`nats-server's release archive is no help: ${reason}`);
      return undefined;
    }
  });
}

async function download(archive: Archive, signal: AbortSignal): Promise<Buffer> {
  const url = `${archive.baseUrl}/${archive.name}.tar.gz`;
  const response = await fetch(url, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(downloadTimeoutMs)]),
  });
  if (!response.ok || !response.body) throw new Error(`${url} answered ${response.status}`);
  const hash = createHash("sha256");
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    if (bytes > archiveBytesMax) throw new Error(`${url} is larger than ${archiveBytesMax} bytes`);
    hash.update(chunk);
    chunks.push(chunk);
  }
  const sha256 = hash.digest("hex");
  if (sha256 !== archive.sha256) throw new Error(`${url} has SHA-256 ${sha256}, not ${archive.sha256}`);
  return Buffer.concat(chunks);
}
