import type { Principal } from "./principal.ts";

/** What was done, as `auth.record` takes it: by whom, with which session or token, in which request, from where. */
export function actRecord(
  act: string,
  { userId, subject, sessionId, tokenId }: Principal,
  { requestId, address }: { readonly requestId: string; readonly address: string | undefined },
) {
  return {
    user_id: userId,
    act,
    subject,
    session_id: sessionId,
    token_id: tokenId,
    request_id: requestId,
    address,
  };
}
