// A replica in a process of its own, to be killed or frozen: `node story-process.ts <role> <url> <nats> <namespace>`.
import { outsideOf } from "../../../services/common/outside.ts";
import { openListener, openTeller, startNode } from "./story.ts";

const [role, url, natsUrl, namespace] = process.argv.slice(2) as [string, string, string, string];

if (role === "teller") {
  const broker = await startNode(natsUrl, namespace);
  const { events } = await openTeller(url);
  await events.begin(outsideOf(broker));
} else {
  const { schema } = await openListener(url);
  await startNode(natsUrl, namespace, [schema]);
}
process.stdout.write("ready\n");
