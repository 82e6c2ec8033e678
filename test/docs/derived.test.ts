import { readFile } from "node:fs/promises";
import { describe, expect, it } from "@jest/globals";
import { derivedTexts, withTable } from "../../scripts/derived/texts.ts";

const root = new URL("../../", import.meta.url);

describe("what is made from other files", () => {
  it.each(derivedTexts)("is up to date, or `npm run derive` makes it so: $file", async ({ file, make }) => {
    const present = await readFile(new URL(file, root), "utf8");
    expect(present).toBe(await make(present, root));
  });

  it("replaces the table with the same head, and nothing else", () => {
    const page = "# Page\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n| c |\n|---|\n| 3 |\n\nEnd\n";
    expect(withTable(page, "| a | b |\n|---|---|\n| 4 | 5 |\n| 6 | 7 |")).toBe(
      "# Page\n\n| a | b |\n|---|---|\n| 4 | 5 |\n| 6 | 7 |\n\n| c |\n|---|\n| 3 |\n\nEnd\n",
    );
    expect(withTable("| c |\n|---|\n| 3 |\n", "| c |\n|---|")).toBe("| c |\n|---|\n");
    expect(() => withTable(page, "| d |\n|---|")).toThrow("no table with this head: | d |");
  });
});
