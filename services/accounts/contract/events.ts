import { z } from "zod";
import { Uuid } from "../../common/values.ts";

/** What happens to an account; its id is the aggregate's. */
export const accountEvents = {
  "accounts.deleted": z.strictObject({ account_id: Uuid, user_id: Uuid }),
} as const;
