import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../k8s/support/code.ts";
import type { ComposeService } from "./compose-file.ts";

const run = promisify(execFile);

export interface Secrets {
  /** A folder for each of compose's volumes of secrets. */
  readonly folder: string;
  /** Makes what is missing, as each start of compose does. */
  make(): Promise<void>;
  remove(): Promise<void>;
}

/** The secrets that a first start of compose makes, in a folder of this test's own. */
export async function makeSecrets(): Promise<Secrets> {
  const folder = await mkdtemp(join(tmpdir(), "butler-secrets-"));
  const make = async () => {
    await run("sh", [join(ROOT, "deploy/compose/secrets.sh"), folder], { timeout: 30_000 });
  };
  await make();
  return {
    folder,
    make,
    // Its folders cannot be written to; only their owner can change that.
    async remove() {
      await run("chmod", ["-R", "u+rwX", folder]);
      await rm(folder, { recursive: true });
    },
  };
}

/** A service's environment, with paths in /run/secrets as they are on this machine. */
export function environmentWith(secrets: Secrets, { environment = {}, volumes = [] }: ComposeService) {
  const [volume] = volumes.flatMap((each) => /^secrets-(\w+):\/run\/secrets:ro$/.exec(each)?.[1] ?? []);
  const entries = Object.entries(environment).map(([name, value]) => [
    name,
    volume ? value.replace(/^\/run\/secrets\//, `${secrets.folder}/${volume}/`) : value,
  ]);
  return Object.fromEntries(entries) as Record<string, string>;
}
