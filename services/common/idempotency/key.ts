import { z } from "zod";

/** 256 bits, as base64url. */
const Digest = z.string().regex(/^[\w-]{43}$/);

/**
 * What a request's Idempotency-Key becomes at the gateway, and travels as beside the parameters. The key itself stays
 * there: what is stored of it cannot be turned back, and opens nothing.
 */
export const IdempotencyKey = z.strictObject({
  /** Which key it is. */
  key: Digest,
  /** Which request it was sent with. Without the key, nobody can find out by trying. */
  body: Digest,
  /** What a secret result is sealed with; never stored. */
  seal: Digest.optional(),
});
export type IdempotencyKey = z.infer<typeof IdempotencyKey>;
