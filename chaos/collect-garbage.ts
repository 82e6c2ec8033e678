/** Preloaded into replicas: asked over IPC, they collect their garbage and tell how much they keep. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
process.on("message", (message) => {
  if (message !== "kept heap?") return;
  collect();
  process.send?.({ keptHeapBytes: process.memoryUsage().heapUsed });
});
// The channel alone is no reason to stay.
process.channel?.unref();
