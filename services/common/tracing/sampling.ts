import type { TracingConfig } from "./config.ts";

/** Callers that want theirs traced come in bursts; of those that come seldom, each is heeded. */
const MAX_ALLOWANCE = 10;

/**
 * Decides which traces that begin here are recorded.
 * @param isAsked what the caller's traceparent says; undefined without one. Each request allows a share of one caller to be
 *   heeded: so whoever asks for all of theirs gets that share of all requests, and no more. Trace ids decide nothing,
 *   because callers choose them.
 */
export type Sampling = (isAsked: boolean | undefined) => boolean;

export function sampling(
  { sampler, ratio }: Pick<TracingConfig, "sampler" | "ratio">,
  random: () => number = Math.random,
): Sampling {
  const heedsCallers = sampler.startsWith("parentbased_");
  const isAlwaysOn = sampler.endsWith("always_on");
  const share = isAlwaysOn ? 1 : sampler.endsWith("always_off") ? 0 : ratio;
  const heeded = isAlwaysOn ? 1 : ratio;
  let allowance = heeded > 0 ? MAX_ALLOWANCE : 0;
  return (isAsked) => {
    allowance = Math.min(MAX_ALLOWANCE, allowance + heeded);
    if (!heedsCallers || isAsked === undefined) return random() < share;
    if (!isAsked || allowance < 1) return false;
    allowance -= 1;
    return true;
  };
}
