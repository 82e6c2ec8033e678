import { type LookupAddress, lookup } from "node:dns";
import {
  type ClientRequest,
  type Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp,
} from "node:http";
import { type Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import { OutgoingError } from "./outgoing-error.ts";
import { isPublicAddress } from "./public-address.ts";

/** All addresses of a name, as the system's resolver knows them. */
export type Resolve = (
  hostname: string,
  options: { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** Connections, kept for the next request; so many to one host and in all. */
export interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

/** What is sent. */
export interface OutgoingRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
  readonly agents: Agents;
  readonly lookup: LookupFunction;
}

const MAX_HEADER_BYTES = 32 * 1024;

/**
 * Resolves names for connections: a name with one address that is not public is refused as a whole. Being asked as each
 * connection is opened, it cannot be got round by a name that is answered differently the second time.
 */
export function publicLookup(resolve: Resolve = lookup): LookupFunction {
  return (hostname, options, callback) => {
    const answer = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => {
      if (error) return callback(error, "");
      const [first] = addresses;
      if (first === undefined || !addresses.every(({ address }) => isPublicAddress(address))) {
        const message = `${hostname} is at an address that is not public`;
        return callback(new OutgoingError("private_address", message), "");
      }
      if (options.all) return callback(null, addresses);
      callback(null, first.address, first.family);
    };
    resolve(hostname, { ...options, all: true }, answer);
  };
}

/** Names as the system resolves them. */
export const anyLookup: LookupFunction = (hostname, options, callback) => lookup(hostname, options, callback);

/** The head of the reply; its body is yet to be read. */
export function send(sending: OutgoingRequest, isRepeated = false): Promise<IncomingMessage> {
  const { url, method, headers, body, signal, agents, lookup } = sending;
  return new Promise((resolve, reject) => {
    const isSecure = url.protocol === "https:";
    const options = { method, headers, signal, lookup, maxHeaderSize: MAX_HEADER_BYTES };
    const request: ClientRequest = isSecure
      ? requestHttps(url, { ...options, agent: agents.https })
      : requestHttp(url, { ...options, agent: agents.http });
    request.once("response", resolve);
    request.once("error", (error: NodeJS.ErrnoException) => {
      // The connection was kept, and the other end had just closed it: it has not seen the request.
      if (error.code === "ECONNRESET" && request.reusedSocket && !isRepeated) {
        send(sending, true).then(resolve, reject);
      } else reject(error);
    });
    request.end(body);
  });
}
