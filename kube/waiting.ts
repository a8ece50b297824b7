import { setTimeout as sleep } from "node:timers/promises";
import { Watch } from "./clusterClient";
import { UserError } from "../userError";
import { loadCluster } from "./client";
import { kinds, type Kind, type Shapes } from "./objectKinds";
import { beginRemoval, called, find, list, type Ref, type Selection } from "./objects";

/** A moment by which something must have happened, and how long that was given. */
export interface Deadline {
  readonly at: number;
  readonly seconds: number;
}

/** So many seconds from now. */
export function deadlineIn(seconds: number): Deadline {
  return { at: Date.now() + seconds * 1000, seconds };
}

/** A watch that hears nothing is not trusted for longer than this. */
const longestSilence = 1000;
/** Between two looks at a list, which is not watched. */
const listMilliseconds = 100;

/**
 * Waits until an object is as wanted: a watch tells that it has changed, a look tells how it is.
 * @param wanted what it is to become, for the message: "ready"
 * @param accept what is made of the object once it is as wanted; undefined before
 * @param describe what it is instead, a line each, for the message
 * @throws UserError at the deadline
 */
export async function waitFor<K extends Kind, T>(
  context: string,
  ref: Ref<K>,
  deadline: Deadline,
  wanted: string,
  accept: (found: Shapes[K] | undefined) => T | undefined,
  describe: (found: Shapes[K] | undefined) => readonly string[] = () => [],
): Promise<T> {
  for (;;) {
    const found = await find(context, ref);
    const accepted = accept(found);
    if (accepted !== undefined) return accepted;
    if (Date.now() >= deadline.at) throw tooLate(context, ref, deadline, wanted, describe(found));
    await changeOf(context, ref, found?.metadata?.resourceVersion);
  }
}

/** Removes an object and waits until it is gone. */
export async function remove(context: string, ref: Ref, deadline: Deadline): Promise<void> {
  await beginRemoval(context, ref);
  await waitUntilGone(context, ref, deadline);
}

/** Waits until an object is gone; names what holds it when it stays. */
export async function waitUntilGone(context: string, ref: Ref, deadline: Deadline): Promise<void> {
  await waitFor(
    context,
    ref,
    deadline,
    "gone",
    (found) => (found === undefined ? true : undefined),
    (found) => [`It is held by: ${(found?.metadata?.finalizers ?? ["nothing"]).join(", ")}.`],
  );
}

/** Waits until no selected object is left that counts. */
export async function waitUntilNone<K extends Kind>(
  context: string,
  kind: K,
  selection: Selection,
  deadline: Deadline,
  counts: (found: Shapes[K]) => boolean = () => true,
): Promise<void> {
  for (;;) {
    const [first] = (await list(context, kind, selection)).filter(counts);
    if (first === undefined) return;
    const { namespace, name = "" } = first.metadata ?? {};
    const ref = { kind, name, ...(namespace === undefined ? {} : { namespace }) };
    if (Date.now() >= deadline.at) throw tooLate(context, ref, deadline, "gone", []);
    await sleep(listMilliseconds);
  }
}

function tooLate(
  context: string,
  ref: Ref,
  { seconds }: Deadline,
  wanted: string,
  details: readonly string[],
): UserError {
  const place = ref.namespace === undefined ? "" : ` -n ${ref.namespace}`;
  return new UserError(
    `${called(ref)} is not ${wanted} after ${seconds} s.`,
    details,
    `kubectl --context ${context} describe ${kinds[ref.kind].plural} ${ref.name}${place}`,
  );
}

/** Resolves when the object changes, when the watch ends, or after a while. */
async function changeOf(
  context: string,
  { kind, namespace, name }: Ref,
  resourceVersion: string | undefined,
): Promise<void> {
  const { apiVersion, plural } = kinds[kind];
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const path = `${group}${namespace === undefined ? "" : `/namespaces/${namespace}`}/${plural}`;
  const query = { fieldSelector: `metadata.name=${name}`, resourceVersion };
  const over = new AbortController();
  try {
    await Promise.race([
      new Promise<void>((resolve) => {
        // A watch that ends at once, for want of the right to watch, leaves polling.
        const done = () => setTimeout(resolve, listMilliseconds);
        const wake = () => {
          resolve();
        };
        void new Watch(loadCluster(context).kubeConfig)
          .watch(path, query, wake, done)
          .then((watching) => {
            if (over.signal.aborted) watching.abort();
            else {
              over.signal.addEventListener("abort", () => {
                watching.abort();
              });
            }
          }, done);
      }),
      sleep(longestSilence, undefined, { signal: over.signal }),
    ]);
  } finally {
    over.abort();
  }
}
