// What the development issuer must remember between two requests of a sign-in. A restart forgets it.
import { LRUCache } from "lru-cache";
import type { AdapterFactory, AdapterPayload } from "oidc-provider";

/** Sessions, codes and whatever else there is, together. */
const entriesMax = 10_000;

/**
 * oidc-provider's storage, in memory. Its look-ups by anything but an id walk through all entries, which the few
 * sign-ins of a developer do not notice.
 */
export function memoryStorage(): AdapterFactory {
  const entries = new LRUCache<string, AdapterPayload>({ max: entriesMax });
  return (model) => {
    const keyOf = (id: string) => `${model}:${id}`;
    return {
      upsert: async (id, payload, expiresIn) => {
        entries.set(keyOf(id), payload, expiresIn === undefined ? {} : { ttl: expiresIn * 1000 });
      },
      find: async (id) => entries.get(keyOf(id)),
      findByUid: async (uid) => {
        for (const payload of entries.values()) {
          if (payload.kind === model && payload.uid === uid) return payload;
        }
      },
      /** Belongs to the device flow, which this issuer does not have. */
      findByUserCode: async () => undefined,
      consume: async (id) => {
        const payload = entries.get(keyOf(id));
        if (payload) payload.consumed = true;
      },
      destroy: async (id) => {
        entries.delete(keyOf(id));
      },
      revokeByGrantId: async (grantId) => {
        for (const [key, payload] of entries) {
          if (payload.kind === model && payload.grantId === grantId) entries.delete(key);
        }
      },
    };
  };
}
