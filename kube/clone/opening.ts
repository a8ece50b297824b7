import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../userError";
import type { Shapes } from "../objectKinds";
import { create, find, list } from "../objects";
import { scramVerifier } from "../scram";
import { remove, waitUntilNone, type Deadline } from "../waiting";
import { type CloneIdentity, type CloneRequest, identityOf, labelsOf, partsOf } from "./names";
import {
  openingScript,
  socketsPath,
  verifiersKey,
  verifiersPath,
  volumePath,
} from "./openingScript";

/** uid of `postgres` in the official image. */
const postgresUser = 999;
const hopeless = new Set(["ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff"]);

/** How long opening took, in milliseconds since the volume was mounted. */
export interface OpeningTimes {
  readonly mountedToOpen: number;
  readonly openToStopped: number;
}

/**
 * Reads the passwords that the roles are to have and puts what PostgreSQL stores of them, never the
 * passwords themselves, into the quarantine.
 * @throws UserError naming the Secret or the key that is missing
 */
export async function prepareVerifiers(request: CloneRequest): Promise<void> {
  const { context, target } = request;
  const verifiers: Record<string, string> = {};
  for (const { role, secret, key } of target.passwords) {
    const ref = { kind: "Secret", namespace: target.namespace, name: secret } as const;
    const encoded = (await find(context, ref))?.data?.[key];
    if (encoded === undefined) {
      throw new UserError(
        `The Secret ${target.namespace}/${secret} has no password under "${key}" for role ${role}.`,
        [],
        `kubectl --context ${context} describe secret ${secret} -n ${target.namespace}`,
      );
    }
    verifiers[role] = scramVerifier(Buffer.from(encoded, "base64").toString("utf8"));
  }
  const data = Buffer.from(JSON.stringify(verifiers)).toString("base64");
  await create(context, partsOf(identityOf(request)).verifiers, {
    labels: labelsOf(request.cloneId, "raw"),
    data: { [verifiersKey]: data },
  });
}

/**
 * Opens the raw claim with production's own server, once: recovery, new passwords, clean stop.
 * @throws UserError with the server's own words, or with what the pod waits for
 */
export async function openRawClaim(
  request: CloneRequest,
  deadline: Deadline,
): Promise<OpeningTimes> {
  const { context, quarantine: namespace } = request;
  await create(context, partsOf(identityOf(request)).opening, {
    labels: labelsOf(request.cloneId, "raw"),
    spec: jobOf(request),
  });
  for (;;) {
    const [pod] = await list(context, "Pod", { namespace, labels: "job-name=open" });
    const status = pod?.status?.containerStatuses?.[0]?.state;
    if (status?.terminated !== undefined) return timesIn(request, status.terminated);
    const reason = status?.waiting?.reason ?? "";
    if (Date.now() >= deadline.at || hopeless.has(reason)) {
      throw new UserError(
        hopeless.has(reason)
          ? `The image ${request.source.serverImage} cannot be had in ${namespace}.`
          : `Production's data is not open in ${namespace} after ${deadline.seconds} s.`,
        [...waitsOf(pod), ...(await warningsIn(context, namespace))].slice(0, 5),
        `kubectl --context ${context} get events -A --field-selector involvedObject.namespace=${namespace}`,
      );
    }
    await sleep(100);
  }
}

/** Ends the Job and waits until no process of it can still hold the volume. */
export async function removeOpening(clone: CloneIdentity, deadline: Deadline): Promise<void> {
  const { opening, verifiers } = partsOf(clone);
  await remove(clone.context, opening, deadline);
  await waitUntilNone(clone.context, "Pod", { namespace: clone.quarantine }, deadline);
  await remove(clone.context, verifiers, deadline);
}

function timesIn(
  request: CloneRequest,
  { exitCode, message = "" }: { readonly exitCode?: number; readonly message?: string },
): OpeningTimes {
  const [mounted = NaN, open = NaN, stopped = NaN] = message.trim().split(" ").map(Number);
  if (exitCode === 0 && !Number.isNaN(stopped)) {
    return {
      mountedToOpen: Math.round((open - mounted) * 1000),
      openToStopped: Math.round((stopped - open) * 1000),
    };
  }
  const said = message.trim().split("\n").slice(-6);
  throw new UserError(
    `Production's data could not be opened in ${request.quarantine}.`,
    said[0] === "" ? [`The server's container ended with status ${exitCode ?? "unknown"}.`] : said,
    "mend that in production, then pulumi up",
  );
}

function waitsOf(pod: Shapes["Pod"] | undefined): string[] {
  if (pod === undefined) return ["There is no pod yet."];
  const waiting = pod.status?.containerStatuses?.[0]?.state?.waiting;
  const unmet = pod.status?.conditions?.find(({ status }) => status === "False");
  return [
    waiting?.message ??
      waiting?.reason ??
      unmet?.message ??
      `The pod is ${pod.status?.phase ?? "new"}.`,
  ];
}

async function warningsIn(context: string, namespace: string): Promise<string[]> {
  const events = await list(context, "Event", { namespace });
  const messages = events.filter(({ type }) => type === "Warning").map(({ message }) => message);
  return [...new Set(messages)].filter((message) => message !== undefined).slice(-3);
}

function jobOf({ source, loginRolesToDrop, deadlineSeconds }: CloneRequest): object {
  const container = {
    name: "open",
    image: source.serverImage,
    command: ["sh", "-c", openingScript(deadlineSeconds)],
    env: [{ name: "LOGIN_ROLES_TO_DROP", value: loginRolesToDrop }],
    terminationMessagePolicy: "FallbackToLogsOnError",
    resources: { requests: { cpu: "100m", memory: "256Mi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: true,
    },
    volumeMounts: [
      { name: "data", mountPath: volumePath },
      { name: "verifiers", mountPath: verifiersPath, readOnly: true },
      { name: "sockets", mountPath: socketsPath },
      { name: "tmp", mountPath: "/tmp" },
    ],
  };
  return {
    backoffLimit: 0,
    activeDeadlineSeconds: deadlineSeconds,
    template: {
      spec: {
        restartPolicy: "Never",
        terminationGracePeriodSeconds: 2,
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: postgresUser,
          runAsGroup: postgresUser,
          fsGroup: postgresUser,
          fsGroupChangePolicy: "OnRootMismatch",
          seccompProfile: { type: "RuntimeDefault" },
        },
        containers: [container],
        volumes: [
          { name: "data", persistentVolumeClaim: { claimName: "raw" } },
          { name: "verifiers", secret: { secretName: "verifiers", defaultMode: 0o440 } },
          { name: "sockets", emptyDir: {} },
          { name: "tmp", emptyDir: {} },
        ],
      },
    },
  };
}
