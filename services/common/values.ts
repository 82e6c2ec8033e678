import { z } from "zod";

/** RFC 9562 UUID, in any version; lower case on the wire. */
export const Uuid = z
  .guid()
  .toLowerCase()
  .meta({
    format: "uuid",
    description: "A UUID.",
    examples: ["019c1378-a83b-7000-8000-0123456789ab"],
  });

/** RFC 3339, UTC, milliseconds: `2026-01-31T09:30:00.123Z`. */
export const Time = z.iso
  .datetime({ precision: 3 })
  .meta({ description: "RFC 3339, UTC, with milliseconds.", examples: ["2026-01-31T09:30:00.123Z"] });

/** What people call their things: trimmed, 1 to 120 characters. */
export const Name = z
  .string()
  .trim()
  .min(1, "must not be empty")
  .max(120, "must have at most 120 characters")
  .refine(isStorable, "must not contain NUL or unpaired surrogates")
  .meta({ description: "Trimmed, 1 to 120 characters.", examples: ["Main"] });

/** Text that is only compared with ours: 1 to so many characters. */
export function text(maximum: number) {
  return z
    .string()
    .min(1, "must not be empty")
    .max(maximum, `must have at most ${maximum} characters`)
    .refine(isStorable, "must not contain NUL or unpaired surrogates");
}

/** True or false in a query. */
export const Flag = z.enum(["true", "false"], "must be true or false").transform((flag) => flag === "true");

/**
 * A number whose digits are exact, however many: between services the plain text of a decimal, as JSON numbers would be
 * read into doubles on the way; to clients the gateway writes it as a JSON number of these very digits.
 */
export const ExactNumber = z
  .string()
  .refine((text) => /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text), "must be a decimal in plain digits")
  .meta({ type: "number", description: "A number of exact digits, without exponent.", examples: [1234.5] });

/** Whether a schema is `ExactNumber`, under whatever description. */
export function isExactNumber(schema: z.core.$ZodType): boolean {
  return schema instanceof z.ZodString && schema.meta()?.type === "number";
}

/** A version of a resource: grows by one with each change; the ETag is made of it. */
export const Version = z
  .int()
  .min(1)
  .meta({ description: "Grows by one with each change.", examples: [1] });

/** Existing clients never page, so a page holds as much as a list may have at once. */
export const MAX_PAGE_SIZE = 500;

/** The parameters of a list: how many, and where to go on (the `cursor` of the page before, from its Link header). */
export const PageParams = {
  limit: z
    .int()
    .min(1)
    .max(MAX_PAGE_SIZE)
    .optional()
    .meta({ description: "Rows per page; 500 unless given." }),
  cursor: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: "Where to go on, from the Link header." }),
};

/** A page of a list. Over HTTP it is the bare array, and `next_cursor` travels in the Link header. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ items: z.array(item).max(MAX_PAGE_SIZE), next_cursor: z.string().optional() });
}

/** PostgreSQL stores neither NUL nor half a surrogate pair, so neither may come in. */
export function isStorable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}
