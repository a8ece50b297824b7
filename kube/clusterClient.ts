/**
 * What is used of Kubernetes' client, all in one place: the build makes one file of it. The package is
 * 700 files, half of them for objects that nobody here asks for, and every command loads them.
 */
export {
  ApiException,
  AppsV1Api,
  AuthorizationV1Api,
  CoreV1Api,
  createConfiguration,
  CustomObjectsApi,
  Exec,
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  RbacAuthorizationV1Api,
  ServerConfiguration,
  StorageV1Api,
  V1ResourceAttributes,
  V1SelfSubjectAccessReview,
  V1SelfSubjectAccessReviewSpec,
  VersionApi,
  Watch,
} from "@kubernetes/client-node";
export type { Configuration, KubernetesObject, V1StorageClass } from "@kubernetes/client-node";
