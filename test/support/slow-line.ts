import type { Socket } from "node:net";

/** How slow a line is, each way; read anew all the time. 0: not at all. */
export interface Slowness {
  delayMs: number;
  bytesPerSecond: number;
}

interface Waiting {
  readonly since: number;
  readonly bytes: number;
  readonly act: () => void;
}

/** A change of the slowness is noticed after so long. */
const LOOK_MS = 20;
/** Whoever sends more than a slow line takes is not read from meanwhile, as TCP would do it. */
const MAX_WAITING_BYTES = 262_144;

/**
 * One direction of a connection: what goes through it stays in order, and comes out later by the delay, and no faster
 * than the bandwidth.
 * @returns what takes an act with the number of bytes that it stands for.
 */
export function slowLine(from: Socket, slowness: Slowness): (bytes: number, act: () => void) => void {
  const line: Waiting[] = [];
  let waitingBytes = 0;
  let freeAt = 0;
  let isPassing = false;

  function waitMs({ since, bytes }: Waiting, now: number): number {
    const { delayMs, bytesPerSecond } = slowness;
    if (bytesPerSecond === 0) return since + delayMs - now;
    return Math.max(since, freeAt) + delayMs + (bytes * 1000) / bytesPerSecond - now;
  }

  function pass(): void {
    for (let next = line[0]; next; next = line[0]) {
      const now = performance.now();
      const left = waitMs(next, now);
      if (left > 0) {
        setTimeout(pass, Math.min(left, LOOK_MS));
        return;
      }
      line.shift();
      waitingBytes -= next.bytes;
      freeAt = now - slowness.delayMs;
      next.act();
    }
    isPassing = false;
    from.resume();
  }

  return (bytes, act) => {
    if (line.length === 0 && slowness.delayMs === 0 && slowness.bytesPerSecond === 0) return act();
    line.push({ since: performance.now(), bytes, act });
    waitingBytes += bytes;
    if (waitingBytes > MAX_WAITING_BYTES) from.pause();
    if (isPassing) return;
    isPassing = true;
    setTimeout(pass, 0);
  };
}
