import type { ServiceBroker } from "moleculer";
import type { Outside } from "./service.ts";

/** How a process's services reach others without a request. */
export function outsideOf(broker: ServiceBroker): Outside {
  return {
    call: (action, params) => broker.call(action as string, params as object),
    emit: (event, payload) => broker.emit(event, payload),
  };
}
