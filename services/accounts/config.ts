import { createSecretKey, type KeyObject } from "node:crypto";
import { z } from "zod";
import { type Environment, flag, positiveInteger, readSettings, variable } from "../common/config.ts";

const KEY_BYTES = 32;
const MAX_KEYS = 10;
const MUST = `must be a comma separated list of <id>:<${KEY_BYTES} random bytes in base64>, each id once`;

/** A key that seals credentials. A `KeyObject` shows its bytes to nobody who prints it. */
export interface CredentialsKey {
  readonly id: string;
  readonly key: KeyObject;
}

const CredentialsKeys = z.string(MUST).transform((list, context): readonly CredentialsKey[] => {
  const keys = list.split(",").map(keyOf);
  const valid = keys.filter((key) => key !== undefined);
  const ids = new Set(valid.map(({ id }) => id));
  if (ids.size === keys.length && keys.length <= MAX_KEYS) return valid;
  context.addIssue({ code: "custom", message: MUST });
  return z.NEVER;
});

export const accountsVariables = {
  credentialsKeys: variable(
    "CREDENTIALS_KEYS",
    CredentialsKeys,
    "Keys that seal exchanges' credentials, `<id>:<32 bytes in base64>`, comma separated; the first one seals, all open.",
    { secret: true },
  ),
  isSyncScheduled: variable(
    "SCHEDULED_SYNC_ENABLED",
    flag(true),
    "Whether active accounts are synced when they are due; `false`: only when a user asks.",
  ),
  syncIntervalSeconds: variable(
    "SYNC_INTERVAL_SECS",
    positiveInteger(900, 604_800),
    "After so long, give or take a fifth, an account is due for its next sync; after failures later, up to 6 hours.",
  ),
  syncTimeoutSeconds: variable(
    "SYNC_TIMEOUT_SECS",
    positiveInteger(60, 3_600),
    "Reading one account may take so long; then the attempt has failed.",
  ),
} as const;

/** @throws {ConfigurationError} naming each wrong variable, never its value. */
export function readAccountsConfig(environment: Environment) {
  return readSettings(accountsVariables, environment);
}

function keyOf(entry: string): CredentialsKey | undefined {
  const [, id, text] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/]+={0,2})$/.exec(entry.trim()) ?? [];
  if (id === undefined || text === undefined) return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.length === KEY_BYTES && bytes.toString("base64") === text
    ? { id, key: createSecretKey(bytes) }
    : undefined;
}
