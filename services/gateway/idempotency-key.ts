import { createHmac, hash, hkdfSync } from "node:crypto";
import type { IdempotencyKey } from "../common/idempotency/key.ts";
import { problem } from "../common/problem.ts";
import type { Route } from "./routes.ts";

const MAX_LENGTH = 255;
/** A string of RFC 8941 §3.3.3, as draft-ietf-httpapi-idempotency-key-header has it; */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
/** or the same without its quotes, as many clients send it. */
const BARE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const VISIBLE = /^[\x21-\x7e]+$/;
const SEAL_BYTES = 32;

/**
 * What goes along with the call of a POST that has an Idempotency-Key; undefined when it has none.
 * @param params of the action, checked: repeats must have the same.
 * @throws MALFORMED_REQUEST
 */
export function idempotencyOf(
  header: string | undefined,
  { action, entry }: Pick<Route, "action" | "entry">,
  params: object,
): IdempotencyKey | undefined {
  if (header === undefined) return undefined;
  const key = keyOf(header);
  return {
    key: hash("sha256", key, "base64url"),
    body: createHmac("sha256", key).update(canonical(params)).digest("base64url"),
    ...(entry.secretResult && { seal: sealOf(key, action) }),
  };
}

/** The key that a header gives: with or without quotes it is the same. */
function keyOf(header: string): string {
  const [, quoted] = QUOTED.exec(header) ?? [];
  const key = quoted?.replaceAll(/\\(.)/g, "$1") ?? (BARE.test(header) ? header : "");
  if (key.length <= MAX_LENGTH && VISIBLE.test(key)) return key;
  throw problem("MALFORMED_REQUEST", {
    detail: `Idempotency-Key must be one key of 1 to ${MAX_LENGTH} visible ASCII characters, for example "8e03978e-40d5-43dd-bc93-6894a57f9324".`,
  });
}

/** RFC 5869. Whoever has only what is stored of the key cannot make this of it. */
function sealOf(key: string, action: string): string {
  const seal = hkdfSync("sha256", key, "", `idempotency-key result ${action}`, SEAL_BYTES);
  return Buffer.from(seal).toString("base64url");
}

/** JSON whose objects have their members in the order of their names: who sends it in another order means the same. */
function canonical(params: object): string {
  return JSON.stringify(params, (_, value: unknown) =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  );
}
