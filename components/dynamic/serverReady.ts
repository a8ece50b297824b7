import { find } from "../../kube/objects";
import { awaitServer, type ServerRequest } from "../../kube/serverReady";
import type { ResourceKind } from "./resourceKind";

/** The moment from which on a server can be asked. It stands for nothing of its own in the cluster. */
export const serverReady: ResourceKind<ServerRequest, object> = {
  identify: ({ namespace, app }) => `${namespace}/${app}/ready`,
  async reconcile(inputs) {
    await awaitServer(inputs);
    return {};
  },
  async read({ context, namespace, app }) {
    const found = await find(context, { kind: "StatefulSet", namespace, name: app });
    return found && {};
  },
};
