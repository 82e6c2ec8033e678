import type { ServiceBroker } from "moleculer";
import type { Outside } from "./service.ts";
import { tracing } from "./tracing.ts";

/** How a process's services reach others without a request. */
export function outsideOf(broker: ServiceBroker): Outside {
  return {
    call: (action, params, limitMs) =>
      broker.call(action, params as object, limitMs === undefined ? {} : { timeout: limitMs }),
    emit: (event, payload) => broker.emit(event, payload, tracing && { meta: { ...tracing.carried() } }),
  };
}
