import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { isNeedless, prune } from "../../scripts/release/prune.ts";

describe("isNeedless", () => {
  it.each([
    "jose/dist/index.d.ts",
    "zod/v4/index.d.cts",
    "zod/src/index.ts",
    "nats/lib/mod.js.map",
    "pg/README.md",
    ".bin",
    "node",
    "@types",
    "ccxt/dist",
  ])("is true of %s", (path) => expect(isNeedless(path)).toBe(true));

  it.each([
    "jose/dist/index.js",
    "viem/_cjs/index.js",
    "pg/package.json",
    "graphile-worker/sql/000001.sql",
    "mime-types/ts.js",
    "pg/LICENSE",
    "ccxt/LICENSE.txt",
    "some/LICENSE.md",
    "some/Licence.md",
    "some/NOTICE.md",
    "some/node_modules/node",
    "ccxt/js/src/okx.js",
  ])("is false of %s", (path) => expect(isNeedless(path)).toBe(false));
});

describe("prune", () => {
  it("deletes what is needless with the folders that are empty then, and nothing else", async () => {
    const root = await mkdtemp(join(tmpdir(), "butler-prune-"));
    try {
      for (const path of [
        "pg/lib/a.js",
        "pg/lib/a.js.map",
        "pg/types/a.d.ts",
        "pg/LICENSE.md",
        "node/bin/node",
      ]) {
        await mkdir(dirname(join(root, path)), { recursive: true });
        await writeFile(join(root, path), "");
      }
      await prune(root);
      expect((await readdir(root, { recursive: true })).sort()).toEqual([
        "pg",
        "pg/LICENSE.md",
        "pg/lib",
        "pg/lib/a.js",
      ]);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });
});
