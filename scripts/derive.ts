// `npm run derive`: writes what is made from other files, after those have changed. Tests find what was forgotten.
import { readFile, writeFile } from "node:fs/promises";
import { derivedTexts } from "./derived/texts.ts";

const root = new URL("../", import.meta.url);

for (const { file, make } of derivedTexts) {
  const path = new URL(file, root);
  const present = await readFile(path, "utf8");
  const made = await make(present, root);
  if (made !== present) await writeFile(path, made);
  console.log(`${file}: ${made === present ? "as it should be" : "written"}`);
}
