import { hash } from "node:crypto";
import type { ActionEntry } from "../contract.ts";
import type { Idempotency, Once } from "../idempotency.ts";
import type { Principal } from "../principal.ts";
import { problem } from "../problem.ts";
import type { Claim } from "./claim.ts";
import { IdempotencyKey } from "./key.ts";

/** The call that a key came with. */
export interface KeyedCall {
  readonly action: string;
  readonly entry: ActionEntry;
  readonly principal: Principal | undefined;
  readonly remainingMs: number;
}

/** Whoever sends what needs no token. */
const NOBODY = "00000000-0000-0000-0000-000000000000";
/** So long does a repeat wait for the request that it repeats, */
const MAX_WAIT_MS = 10_000;
/** and never longer than this part of the time that it has. */
const WAIT_SHARE = 0.5;

/** For a service that has said nothing of keys: nothing of it is reached by POST. */
export const withoutMemory: Once = Object.assign(
  async () => {
    throw new Error("This service remembers no idempotency keys: `implement` needs `idempotency`.");
  },
  { of: () => withoutMemory },
);

/** What a key makes of an action. @param key as it came with the call. */
export function onceWithKey(idempotency: Idempotency | undefined, key: unknown, call: KeyedCall): Once {
  const checked = IdempotencyKey.safeParse(key);
  if (!checked.success || (call.entry.secretResult && checked.data.seal === undefined)) {
    throw problem("VALIDATION_FAILED", { detail: "The idempotency key that came with the call is none." });
  }
  const waitMs = Math.min(MAX_WAIT_MS, call.remainingMs * WAIT_SHARE);
  return idempotency?.keyed(claimOf(checked.data, call), waitMs) ?? withoutMemory;
}

function claimOf({ key, body, seal }: IdempotencyKey, { action, entry, principal }: KeyedCall): Claim {
  const isSecret = entry.secretResult && seal !== undefined;
  return {
    userId: principal?.userId ?? NOBODY,
    action,
    // Strangers have no keys in common: there, each body has keys of its own.
    key: principal ? bytesOf(key) : hash("sha256", key + body, "buffer"),
    body: bytesOf(body),
    seal: isSecret ? bytesOf(seal) : undefined,
  };
}

function bytesOf(digest: string): Buffer {
  return Buffer.from(digest, "base64url");
}
