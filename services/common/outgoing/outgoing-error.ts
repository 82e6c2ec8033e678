export type OutgoingErrorKind =
  /** Not on the list of hosts, or not to be asked that way. */
  | "not_allowed"
  /** Its name resolves to a private address. */
  | "private_address"
  | "unreachable"
  | "timed_out"
  | "too_large"
  /** No HTTP, or cut off. */
  | "malformed"
  /** Too many requests of ours are under way. */
  | "busy";

/** A request brought no reply. Its message names the host, never the path or what was sent: both may hold a key. */
export class OutgoingError extends Error {
  override readonly name = "OutgoingError";
  readonly kind: OutgoingErrorKind;

  constructor(kind: OutgoingErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }
}
