import { describe, expect, it } from "@jest/globals";
import { sourceOf } from "./support/code.ts";
import { capacityTable, presetTable } from "./support/tables.ts";

const page = sourceOf("docs/kubernetes.md");

describe("docs/kubernetes.md", () => {
  it("has the arithmetic of connections as it is rendered", async () => {
    expect(page).toContain(await capacityTable());
  });

  it("has the presets as they are rendered", async () => {
    expect(page).toContain(await presetTable());
  });
});
