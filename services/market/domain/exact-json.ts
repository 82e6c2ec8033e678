/** Reads JSON, each number as the very digits that it is written with. @throws SyntaxError when it is none. */
export function parseExactJson(text: string): unknown {
  return JSON.parse(text, digitsOf as (key: string, value: unknown) => unknown);
}

/** The third argument is what ECMAScript's "JSON.parse source text access" gives; the types do not know it yet. */
function digitsOf(_key: string, value: unknown, context: { readonly source: string }): unknown {
  return typeof value === "number" ? context.source : value;
}
