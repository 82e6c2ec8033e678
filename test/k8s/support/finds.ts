import { expect, it } from "@jest/globals";
import { change } from "./change.ts";
import type { Document } from "./documents.ts";
import { render, type Variant } from "./render.ts";

/** What is wrong with rendered documents. */
export type Rule = (documents: readonly Document[]) => string[] | Promise<string[]>;
/** `path` of the document `of` becomes `to`, and then the rule says `fault`. */
export type Mutation = readonly [of: string, path: string, to: unknown, fault: string];

// Paths that many begin with.
export const POD = "spec.template.spec";
export const CONTAINER = `${POD}.containers.0`;
export const AUTH = "Deployment butler-auth";

/** One test for each mutation: the rule finds it, in these words. */
export function finds(rule: Rule, variant: Variant, mutations: readonly Mutation[]): void {
  it.each(mutations)("%s: %s", async (of, path, to, fault) => {
    const documents = await render(variant);
    change(documents, { of, path, to });
    expect((await rule(documents)).join("\n")).toContain(fault);
  });
}
