import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { credentialsKeysFile } from "../../scripts/development/credentials-keys.ts";
import { readAccountsConfig } from "../../services/accounts/config.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "butler-keys-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("credentialsKeysFile", () => {
  it("makes keys that the accounts service takes, for their owner only, once", async () => {
    const data = join(folder, "data");
    const file = await credentialsKeysFile(data);
    const made = await readFile(file, "utf8");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const { credentialsKeys } = readAccountsConfig({ CREDENTIALS_KEYS_FILE: file });
    expect(credentialsKeys.map(({ id }) => id)).toEqual(["development"]);
    expect([await credentialsKeysFile(data), await readFile(file, "utf8")]).toEqual([file, made]);
    expect(await readFile(await credentialsKeysFile(join(folder, "other")), "utf8")).not.toBe(made);
  });
});
