import { accountsService } from "./open-accounts.ts";

export default accountsService(() => () => undefined);
