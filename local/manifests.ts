import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import {
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  type KubernetesObject,
} from "../kube/clusterClient";
import { parseAllDocuments } from "yaml";
import { setTimeout as sleep } from "node:timers/promises";
import { contentKey } from "./contentKey";
import { repository } from "./paths";

const folder = path.join(repository, "local", "manifests");
/** Kinds first that others are of. */
const order = ["crds", "components.yaml", "program.yaml", "dns.yaml", "storage.yaml"];
const patience = 30_000;

/** All of the cluster's own objects, in the order they can be applied. */
export async function readManifests(): Promise<readonly KubernetesObject[]> {
  const files = await Promise.all(
    order.map(async (name) =>
      name.endsWith(".yaml")
        ? [path.join(folder, name)]
        : (await readdir(path.join(folder, name)))
            .sort()
            .map((file) => path.join(folder, name, file)),
    ),
  );
  const texts = await Promise.all(files.flat().map((file) => readFile(file, "utf8")));
  return texts
    .flatMap((text) => parseAllDocuments(text))
    .filter((document) => document.contents !== null)
    .map((document) => document.toJS() as KubernetesObject);
}

/** What the manifests say, as a hash: they are applied again when it has changed. */
export async function manifestsKey(): Promise<string> {
  return contentKey([], [folder]);
}

/**
 * Applies the cluster's own objects by server-side apply: repeating it changes nothing. A kind whose
 * definition was applied a moment ago is asked for again until the API server serves it.
 */
export async function applyManifests(kubeconfig: string): Promise<void> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const api = KubernetesObjectApi.makeApiClient(config);
  const deadline = Date.now() + patience;
  for (const manifest of await readManifests()) {
    for (;;) {
      try {
        await api.patch(
          manifest,
          undefined,
          undefined,
          "stateful-cd",
          true,
          PatchStrategy.ServerSideApply,
        );
        break;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await sleep(300);
      }
    }
  }
}
