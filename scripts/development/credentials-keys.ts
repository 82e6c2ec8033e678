// `.data/credentials-keys`: what seals exchanges' credentials on this machine, unless the environment gives keys.
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The file for `CREDENTIALS_KEYS_FILE`: made at the first start, and kept, because what it has sealed only it opens. */
export async function credentialsKeysFile(dataFolder: string): Promise<string> {
  const file = join(dataFolder, "credentials-keys");
  await mkdir(dataFolder, { recursive: true });
  const keys = `development:${randomBytes(32).toString("base64")}\n`;
  await writeFile(file, keys, { flag: "wx", mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  return file;
}
