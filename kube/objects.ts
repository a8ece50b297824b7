import {
  ApiException,
  KubernetesObjectApi,
  PatchStrategy,
  type KubernetesObject,
} from "./clusterClient";
import { UserError } from "../userError";
import { describeApiError } from "./apiError";
import { loadCluster, serverOf } from "./client";
import { kinds, type Kind, type Shapes } from "./objectKinds";
import { limitedClient } from "./timeLimit";

/** One object of the cluster by its kind and name. */
export interface Ref<K extends Kind = Kind> {
  readonly kind: K;
  readonly name: string;
  /** Left out for what belongs to no namespace. */
  readonly namespace?: string;
}

/** Which objects of a kind: all, those of a namespace, those with these labels. */
export interface Selection {
  readonly namespace?: string;
  /** A label selector, e.g. `stateful-cd/clone`. */
  readonly labels?: string;
}

const requestMilliseconds = 20_000;
const notFound = 404;
/** HTTP status of a request that the API server understands and refuses. */
export const forbidden = 403;
/** HTTP status where there is an object of that name already, or it has changed meanwhile. */
export const conflict = 409;

/** How an object is called in messages: `VolumeSnapshot bookkeeper-prod/clone-1`. */
export function called({ kind, namespace, name }: Ref): string {
  return `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}

/**
 * The object, or undefined when there is none.
 * @throws UserError naming the object and the API server's words
 */
export async function find<K extends Kind>(
  context: string,
  ref: Ref<K>,
): Promise<Shapes[K] | undefined> {
  return explained(context, "read", ref, async () => {
    const found = await unlessAbsent(context, ref, apiOf(context).read(headerOf(ref)));
    return found as Shapes[K] | undefined;
  });
}

/** All objects of a kind that are selected. */
export async function list<K extends Kind>(
  context: string,
  kind: K,
  { namespace, labels }: Selection = {},
): Promise<Shapes[K][]> {
  const ref = { kind, name: "*", ...(namespace === undefined ? {} : { namespace }) };
  const unset = [undefined, undefined, undefined, undefined] as const;
  return explained(context, "list", ref, async () => {
    const { apiVersion } = kinds[kind];
    const request = apiOf(context).list(apiVersion, kind, namespace, ...unset, labels);
    const found = await unlessAbsent(context, ref, request);
    return (found?.items ?? []) as unknown as Shapes[K][];
  });
}

/** Creates an object; false when one of that name is there already, whatever it looks like. */
export async function create<K extends Kind>(
  context: string,
  ref: Ref<K>,
  content: Omit<Shapes[K], "metadata" | "status"> & {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly finalizers?: string[];
  },
): Promise<boolean> {
  const { labels, annotations, finalizers, ...rest } = content;
  const { metadata, ...header } = headerOf(ref);
  const object = { ...header, ...rest, metadata: { ...metadata, labels, annotations, finalizers } };
  return explained(context, "create", ref, async () => {
    const made = await unless(conflict, apiOf(context).create(object as KubernetesObject));
    return made !== undefined;
  });
}

/** Merges changes into an object; false when it is not there. */
export async function patch(context: string, ref: Ref, changes: object): Promise<boolean> {
  const header = headerOf(ref);
  const { metadata = {}, ...rest } = changes as { metadata?: object };
  const object = { ...header, ...rest, metadata: { ...metadata, ...header.metadata } };
  return explained(context, "patch", ref, async () => {
    const api = apiOf(context);
    const strategy = PatchStrategy.MergePatch;
    const unset = [undefined, undefined, undefined, undefined] as const;
    return (await unless(notFound, api.patch(object, ...unset, strategy))) !== undefined;
  });
}

/** Asks for an object's removal; what holds it may keep it for a while. */
export async function beginRemoval(context: string, ref: Ref): Promise<void> {
  const unset = [undefined, undefined, undefined, undefined] as const;
  await explained(context, "delete", ref, () =>
    unlessAbsent(context, ref, apiOf(context).delete(headerOf(ref), ...unset, "Background")),
  );
}

function apiOf(context: string): KubernetesObjectApi {
  return limitedClient(loadCluster(context).kubeConfig, KubernetesObjectApi, requestMilliseconds);
}

function headerOf({ kind, name, namespace }: Ref) {
  const { apiVersion } = kinds[kind];
  return {
    apiVersion,
    kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
  };
}

async function unless<T>(code: number, request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof ApiException && error.code === code) return undefined;
    throw error;
  }
}

/** Whoever has rights in single namespaces is told "forbidden" of one that is not there. */
async function unlessAbsent<T>(
  context: string,
  { namespace }: Ref,
  request: Promise<T>,
): Promise<T | undefined> {
  try {
    return await unless(notFound, request);
  } catch (error) {
    const isForbidden = error instanceof ApiException && error.code === forbidden;
    if (!isForbidden || namespace === undefined) throw error;
    const place = { kind: "Namespace", name: namespace } as const;
    if ((await find(context, place)) !== undefined) throw error;
    return undefined;
  }
}

async function explained<T>(
  context: string,
  verb: string,
  ref: Ref,
  request: () => Promise<T>,
): Promise<T> {
  try {
    return await request();
  } catch (error) {
    if (!(error instanceof ApiException)) throw unanswered(context, error);
    const place = ref.namespace === undefined ? "" : ` -n ${ref.namespace}`;
    const verbs = { read: "get", list: "list", create: "create", patch: "patch" };
    const asked = Object.entries(verbs).find(([name]) => name === verb)?.[1] ?? verb;
    throw new ClusterError(
      error.code,
      `Cannot ${verb} ${called(ref)}.`,
      [describeApiError(error)],
      `kubectl --context ${context} auth can-i ${asked} ${kinds[ref.kind].plural}${place}`,
    );
  }
}

function unanswered(context: string, error: unknown): UserError {
  // A request for what is there may have failed in a question of its own.
  if (error instanceof UserError) return error;
  return new UserError(
    `The cluster of context ${context} does not answer.`,
    [`address: ${serverOf(loadCluster(context))}`, `cause: ${describeApiError(error)}`],
    "make up for the embedded cluster; for one of your own: kubectl cluster-info",
  );
}

/** A request that the API server refused. */
export class ClusterError extends UserError {
  constructor(
    /** HTTP status of the refusal. */
    readonly code: number,
    problem: string,
    details: readonly string[],
    next: string,
  ) {
    super(problem, details, next);
  }
}
