import {
  createConfiguration,
  ServerConfiguration,
  type Configuration,
  type KubeConfig,
} from "./clusterClient";

/** A client whose every request ends after 5 seconds, or so many; the library's own set no limit. */
export function limitedClient<T>(
  kubeConfig: KubeConfig,
  Client: new (configuration: Configuration) => T,
  milliseconds = 5000,
): T {
  const server = kubeConfig.getCurrentCluster()?.server;
  if (server === undefined) throw new Error("the kubeconfig's context names no cluster");
  return new Client(
    createConfiguration({
      baseServer: new ServerConfiguration(server, {}),
      authMethods: { default: kubeConfig },
      promiseMiddleware: [
        {
          pre: (context) => {
            context.setSignal(AbortSignal.timeout(milliseconds));
            return Promise.resolve(context);
          },
          post: (context) => Promise.resolve(context),
        },
      ],
    }),
  );
}
