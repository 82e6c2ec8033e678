import type { SpanOptions } from "../tracing.ts";

/** Of a statement's text, no more is looked at. */
const MAX_TEXT_LENGTH = 4_000;
/** As many statements of ours have names; beyond, they are described anew each time. */
const MAX_DESCRIBED = 1_000;
const IDENTIFIER = `"?[a-z_][a-z0-9_]{0,62}"?`;
const TARGET = new RegExp(
  String.raw`\b(?:(insert)\s+into|(update)|(delete)\s+from|(from))\s+(?:only\s+)?(${IDENTIFIER}\.${IDENTIFIER})`,
  "gi",
);
const OPERATION = /^\s*([a-z]+)/i;

const described = new Map<string, SpanOptions>();

/**
 * A statement's span: its name, its operation and its table, and nothing else of its text. Texts that are written into
 * it as values stand in quotes, so nothing from the first quote on is looked at.
 */
export function spanOfStatement(statement: unknown): SpanOptions {
  const { name, text = "" } =
    typeof statement === "string" ? { text: statement } : (statement as { name?: string; text?: string });
  const known = name === undefined ? undefined : described.get(name);
  if (known) return known;
  const span = describe(name, text.slice(0, MAX_TEXT_LENGTH));
  if (name !== undefined && described.size < MAX_DESCRIBED) described.set(name, span);
  return span;
}

function describe(name: string | undefined, text: string): SpanOptions {
  const [plain = ""] = text.split(/'|\$(?!\d)/, 1);
  const targets = [...plain.matchAll(TARGET)];
  // A select that feeds a write is part of that, and so is the event that is stored with it.
  const writes = targets.filter(([, insert, update, remove]) => insert ?? update ?? remove);
  const target = writes.find(([, , , , , table]) => !table?.endsWith(".outbox")) ?? writes[0] ?? targets[0];
  const [, insert, update, remove, from, table] = target ?? [];
  const first = OPERATION.exec(plain)?.[1] ?? "statement";
  const written = insert ?? update ?? remove ?? (from && "select");
  const operation = (/^with$/i.test(first) ? (written ?? first) : first).toUpperCase();
  const collection = table?.replaceAll('"', "").toLowerCase();
  return {
    name: name ?? (collection === undefined ? operation : `${operation} ${collection}`),
    kind: "client",
    attributes: {
      "db.system.name": "postgresql",
      "db.operation.name": operation,
      ...(collection !== undefined && { "db.collection.name": collection }),
      ...(name !== undefined && { "db.query.summary": name }),
    },
  };
}
