import { readFileSync } from "node:fs";
import { z } from "zod";

/** A setting: its environment variable, what it means (for the README's table), how it is read. */
export interface Variable<Schema extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly description: string;
  readonly schema: Schema;
  /** May also be given as a file's path in `<name>_FILE`, and is never printed. */
  readonly secret?: boolean;
}

export type Variables = Readonly<Record<string, Variable>>;
export type Settings<V extends Variables> = { readonly [Key in keyof V]: z.output<V[Key]["schema"]> };
export type Environment = Readonly<Record<string, string | undefined>>;

/** The process's environment: configuration modules read it, nothing else does. */
export const environment: Environment = process.env;

/** A setting is wrong. The message names every variable at fault, what it must be, and what it was. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
}

/** States a variable with its type. */
export function variable<Schema extends z.ZodType>(
  name: string,
  schema: Schema,
  description: string,
  options: { secret?: boolean } = {},
): Variable<Schema> {
  return { name, schema, description, ...options };
}

/**
 * Reads settings from the environment, once, as a frozen object. `<PREFIX>_<NAME>` wins over `<NAME>`, so that
 * services in one process can be set apart. An empty variable counts as absent.
 * @throws {ConfigurationError} naming each wrong variable.
 */
export function readSettings<const V extends Variables>(
  variables: V,
  environment: Environment,
  prefix = "",
): Settings<V> {
  const faults: string[] = [];
  const settings: Record<string, unknown> = {};
  for (const [key, { name, schema, secret }] of Object.entries(variables)) {
    const found = lookUp(environment, prefix ? [`${prefix}_${name}`, name] : [name], secret ?? false);
    if (found?.fault) {
      faults.push(found.fault);
      continue;
    }
    const parsed = schema.safeParse(found?.value);
    if (parsed.success) settings[key] = parsed.data;
    else faults.push(faultOf(found?.name ?? name, found?.value, secret ?? false, parsed.error));
  }
  if (faults.length > 0) throw new ConfigurationError(faults.join("\n"));
  return Object.freeze(settings) as Settings<V>;
}

interface Found {
  readonly name: string;
  readonly value?: string;
  /** Why its file cannot be read. */
  readonly fault?: string;
}

function lookUp(environment: Environment, names: readonly string[], secret: boolean): Found | undefined {
  for (const name of names) {
    const value = environment[name];
    if (value) return { name, value };
    const file = secret ? environment[`${name}_FILE`] : undefined;
    if (!file) continue;
    try {
      return { name: `${name}_FILE`, value: readFileSync(file, "utf8").trim() };
    } catch (error) {
      return { name: `${name}_FILE`, fault: `${name}_FILE: ${(error as Error).message}` };
    }
  }
  return undefined;
}

function faultOf(name: string, value: string | undefined, secret: boolean, error: z.ZodError): string {
  const must = error.issues[0]?.message ?? "is not valid";
  if (value === undefined) return `${name} is not set: ${must}.`;
  return secret ? `${name} ${must}.` : `${name} ${must}, but is "${value.slice(0, 100)}".`;
}

/** A whole number from 1 up, as text; `fallback` when absent. */
export function positiveInteger(fallback: number, maximum = 1_000_000) {
  const must = `must be a whole number from 1 to ${maximum}`;
  return z
    .string(must)
    .regex(/^[1-9]\d{0,8}$/, must)
    .transform(Number)
    .refine((value) => value <= maximum, must)
    .default(fallback);
}

/** A whole number from 0 up, as text; `fallback` when absent. */
export function wholeNumber(fallback: number, maximum = 1_000_000) {
  const must = `must be a whole number from 0 to ${maximum}`;
  return z
    .string(must)
    .regex(/^(0|[1-9]\d{0,8})$/, must)
    .transform(Number)
    .refine((value) => value <= maximum, must)
    .default(fallback);
}

/** A TCP port, as text; 0 lets the system choose. */
export function port(fallback: number) {
  return wholeNumber(fallback, 65_535);
}

/** `true` or `false`, as text. */
export function flag(fallback: boolean) {
  return z
    .enum(["true", "false"], "must be true or false")
    .transform((value) => value === "true")
    .default(fallback);
}

/** A URL with one of these schemes, as text. */
export function url(...schemes: readonly string[]) {
  const must = `must be a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`;
  return z
    .string(must)
    .refine(
      (value) => schemes.some((scheme) => value.startsWith(`${scheme}://`)) && URL.canParse(value),
      must,
    );
}

/** Text as it is; `fallback`, or nothing, when absent. */
export function text(fallback: string): z.ZodDefault<z.ZodString>;
export function text(): z.ZodOptional<z.ZodString>;
export function text(fallback?: string) {
  const schema = z.string().max(500, "must have at most 500 characters");
  return fallback === undefined ? schema.optional() : schema.default(fallback);
}

/** What each field of a schedule may hold: least and most. Sunday is 0 or 7. */
const CRON_FIELDS = {
  minute: [0, 59],
  hour: [0, 23],
  day: [1, 31],
  month: [1, 12],
  weekday: [0, 7],
} as const;

/**
 * A schedule in UTC as six fields, seconds first (`0 15 * * * *`), as text. It yields the five that follow the seconds,
 * which must be 0. A field is `*`, also with `/n`, a number, a range, or several with commas; weekdays begin with Sunday, 0.
 */
export function cronSchedule(fallback: string) {
  const must =
    "must be six fields (second 0, minute, hour, day, month, weekday) of numbers, ranges, * or */n, like 0 */15 * * * *";
  return z
    .string(must)
    .max(200, must)
    .transform((text) => text.trim().split(/\s+/))
    .refine(([second, ...fields]) => {
      const ranges = Object.values(CRON_FIELDS);
      return (
        second === "0" &&
        fields.length === ranges.length &&
        fields.every((field, index) => isCronField(field, ranges[index] as readonly [number, number]))
      );
    }, must)
    .transform(([, ...fields]) => fields.join(" "))
    .prefault(fallback);
}

function isCronField(field: string, [least, most]: readonly [number, number]): boolean {
  return field.split(",").every((part) => {
    const [, divisor, from, to] = /^(?:\*(?:\/([1-9]\d?))?|(\d{1,2})(?:-(\d{1,2}))?)$/.exec(part) ?? [];
    if (from === undefined) return divisor !== undefined || part === "*";
    const end = to === undefined ? Number(from) : Number(to);
    return Number(from) >= least && end <= most && (to === undefined || end > Number(from));
  });
}
