/**
 * Preloaded into each service that `--scale` measures: tells, when asked, which share of the time since it was last
 * asked its event loop was at work, 0 to 1.
 */
const UTILISATION = "utilisation";

let before = performance.eventLoopUtilization();

process.on("message", (question) => {
  if (question !== UTILISATION) return;
  const now = performance.eventLoopUtilization();
  const value = performance.eventLoopUtilization(now, before).utilization;
  before = now;
  process.send?.({ answer: UTILISATION, value });
});
