import { createHash } from "node:crypto";
import { stripTypeScriptTypes } from "node:module";

/** A Jest transform on Node's own type stripping: the tests run the same text that `node` runs. */
export default {
  process: (source) => ({ code: stripTypeScriptTypes(source, { mode: "strip" }) }),
  getCacheKey: (source, file, { instrument, configString }) =>
    createHash("sha256")
      .update([source, file, configString, String(instrument), process.version].join("\0"))
      .digest("hex"),
};
