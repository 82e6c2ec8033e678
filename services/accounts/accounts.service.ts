import { openConnectors } from "./connectors/open-connectors.ts";
import { accountsService } from "./open-accounts.ts";

/** Users' accounts and what is in them, read by our own connectors. */
export default accountsService(openConnectors);
