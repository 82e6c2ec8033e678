/** What comes from outside nests less deeply than this; Keycloak's tokens nest to 5. */
const MAX_DEPTH = 16;

export type JsonObject = Readonly<Record<string, unknown>>;

/** The text is not JSON that has one meaning only. The message says why, and nothing of what is in it. */
export class JsonRefused extends Error {
  override readonly name = "JsonRefused";
}

/** A byte order mark is kept, so that it is refused like any other character before the object. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** A string literal of valid JSON. */
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/g;

/**
 * Reads a JSON object that all parsers read alike: valid UTF-8, no member twice in an object (RFC 8259 §4 leaves open
 * which one counts), none that is named `__proto__`, not nested too deeply.
 * @throws {JsonRefused}
 */
export function parseJsonObject(bytes: Uint8Array): JsonObject {
  const text = decode(bytes);
  const value = parse(text);
  if (!isJsonObject(value)) throw new JsonRefused("not a JSON object");
  // Outside of strings there is one colon per member; of members with the same name, only one is left.
  if (countMembers(value, 1) !== countColons(text)) throw new JsonRefused("a member is there twice");
  return value;
}

/** True for what is `{…}` in JSON. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new JsonRefused("not UTF-8");
  }
}

/** The parser's own message would quote the text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new JsonRefused("not JSON");
  }
}

function countMembers(value: unknown, depth: number): number {
  if (typeof value !== "object" || value === null) return 0;
  if (depth > MAX_DEPTH) throw new JsonRefused(`nested more than ${MAX_DEPTH} deep`);
  if (Array.isArray(value)) return value.reduce((sum, item) => sum + countMembers(item, depth + 1), 0);
  const members = Object.entries(value);
  let count = members.length;
  for (const [name, member] of members) {
    if (name === "__proto__") throw new JsonRefused("a member is named __proto__");
    count += countMembers(member, depth + 1);
  }
  return count;
}

function countColons(text: string): number {
  return text.replace(STRING, "").split(":").length - 1;
}
