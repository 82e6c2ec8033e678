import { connect, type NatsConnection } from "nats";
import type { ConfiguredNats } from "./server.ts";

/** A client with a service's credential, as somebody has it who has broken into one of its processes. */
export async function connectAs(service: string, server: ConfiguredNats): Promise<NatsConnection> {
  const { username, password } = new URL(server.url(service));
  return connect({ servers: server.address, user: username, pass: decodeURIComponent(password) });
}

/** Whether the server lets a client hear a subject. */
export async function mayHear(client: NatsConnection, subject: string): Promise<boolean> {
  let isRefused = false;
  const subscription = client.subscribe(subject, {
    callback: (error) => {
      isRefused ||= error !== null;
    },
  });
  await client.flush();
  if (!isRefused) subscription.unsubscribe();
  return !isRefused;
}

/** Whether the server lets a client send to each of these subjects. */
export async function maySend(
  client: NatsConnection,
  subjects: readonly string[],
): Promise<ReadonlyMap<string, boolean>> {
  const refused = new Set<string>();
  void (async () => {
    for await (const { type, permissionContext } of client.status()) {
      if (type === "error" && permissionContext) refused.add(permissionContext.subject);
    }
  })();
  for (const subject of subjects) client.publish(subject, "{}");
  // Refusals come before the answer to this.
  await client.flush();
  await new Promise((resolve) => setImmediate(resolve));
  return new Map(subjects.map((subject) => [subject, !refused.has(subject)]));
}
