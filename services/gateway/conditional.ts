import { hash } from "node:crypto";
import { problem } from "../common/problem.ts";

/** The opaque parts of the ETags of which a client still has the content, without their quotes; `*` is any. */
export type KnownTags = ReadonlySet<string> | "*";

/** One element of a list, and what ends it; lists may have empty elements (RFC 9110 §5.6.1.2, §8.8.3). */
const LISTED_TAG = /[ \t]*(?:(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,|$)/y;
/** 162 bits of the hash: nobody can make two bodies that have them in common. */
const TAG_LENGTH = 27;

/**
 * What If-None-Match says (RFC 9110 §13.1.2). Tags are compared weakly there, so that it does not matter which are weak.
 * @throws MALFORMED_REQUEST, as an If-Match that cannot be read does.
 */
export function knownTagsOf(header: string | undefined): KnownTags | undefined {
  if (header === undefined || header === "*") return header;
  const tags = new Set<string>();
  // The server's limit on the size of all headers is the limit on how many there are.
  for (let at = 0; at < header.length; at = LISTED_TAG.lastIndex) {
    LISTED_TAG.lastIndex = at;
    const element = LISTED_TAG.exec(header);
    if (!element) throw unreadable();
    if (element[1] !== undefined) tags.add(element[1]);
  }
  if (tags.size === 0) throw unreadable();
  return tags;
}

/** Whether the client has the content with this ETag, which is given with its quotes. */
export function isKnown(known: KnownTags, tag: string): boolean {
  return known === "*" || known.has(tag.slice(1, -1));
}

/** The strong ETag of a body, and of the link to the next page: a list may go on without having changed itself. */
export function tagOfBody(body: string, link = ""): string {
  return `"${hash("sha256", body + link, "base64url").slice(0, TAG_LENGTH)}"`;
}

/** The strong ETag of a version that is shown to some callers so and to others otherwise. */
export function tagOfVersion(version: unknown, body: string): string {
  return `"${version}.${tagOfBody(body).slice(1)}`;
}

function unreadable(): Error {
  return problem("MALFORMED_REQUEST", {
    detail:
      'If-None-Match must be * or ETags as they were received, with their quotes, for example "1", "2".',
  });
}
