import { registerHooks } from "node:module";

// Preloaded into a process under test: says, at its exit, which of OpenTelemetry's modules it has loaded.
const loaded = new Set();
registerHooks({
  resolve(specifier, context, next) {
    const [name] = /^@opentelemetry\/[\w-]+/.exec(specifier) ?? [];
    if (name) loaded.add(name);
    return next(specifier, context);
  },
});
process.on("exit", () => process.stderr.write(`${JSON.stringify({ loaded: [...loaded].sort() })}\n`));
