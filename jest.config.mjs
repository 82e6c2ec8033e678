/** What watches the clock while it breaks, floods or stops something: its figures are those of a machine that does only this. */
const ALONE = [
  "chaos/chaos",
  "system/(deadlines|faults|idempotency|nats-faults|overload|postgres-faults|rate-limit|replicas|rolling)",
  "common/(nats|liveness/)",
  "common/database/(full-pool|given-up|pool|silence)",
  "gateway/(authenticate-flood|framing|hostile)",
  "observability/tracing-",
].map((path) => `/test/${path}[^/]*\\.test\\.ts$`);

// Node strips the types itself; Jest only has to be told to do the same.
const project = {
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  transform: { "^.+\\.ts$": "<rootDir>/test/support/strip-types.mjs" },
  setupFiles: ["<rootDir>/test/support/error-realm.mjs"],
  globalSetup: "<rootDir>/test/support/global-setup.mjs",
  globalTeardown: "<rootDir>/test/support/global-teardown.mjs",
};

export default {
  maxWorkers: 2,
  testTimeout: 30_000,
  projects: [
    {
      ...project,
      displayName: "side by side",
      testMatch: ["<rootDir>/test/**/*.test.ts"],
      testPathIgnorePatterns: ALONE,
    },
    {
      ...project,
      displayName: "alone",
      testRegex: ALONE,
      runner: "<rootDir>/test/support/alone-runner.mjs",
    },
  ],
};
