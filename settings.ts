import { existsSync, statSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import * as z from "zod";
import { byteQuantity, bytesOf, cpuQuantity } from "./quantities";
import { listReleases, loadRelease, type Release } from "./release";
import { findNameMistakes, isLabel } from "./releaseNames";
import { UserError } from "./userError";
import { describeIssue } from "./yamlShape";

const name = z
  .string()
  .max(40, { abort: true })
  .regex(/^[a-z]([a-z0-9-]*[a-z0-9])?$/, {
    error: "must be lower-case letters, digits and hyphens, and begin with a letter",
    abort: true,
  });
const replicas = z.int().min(1).max(100);
/** initdb, 1 GB of max_wal_size and room to work: less is a server that stops in its first hour. */
const leastStorage = 1024 ** 3;

/** What decides, beside the keys themselves, which values they may have. */
interface Around {
  readonly stack: string;
  /** of the releases there are */
  readonly versions: readonly string[];
  /** as it is given: it may be a mistake itself */
  readonly application: string;
}

function settingsSchema({ stack, versions, application }: Around) {
  const otherStack = name.refine((given) => given !== stack, { error: "must be another stack" });
  return z.strictObject({
    release: z
      .string()
      .min(1, { error: "is missing", abort: true })
      .refine((given) => versions.length === 0 || versions.includes(given), {
        error: "is no release",
      }),
    application: name.refine((given) => isLabel(namespaceOf(given, stack)), {
      error: ({ input }) =>
        `the namespace ${namespaceOf(String(input), stack)} must be at most 63 lower-case letters, digits and hyphens: shorten this, or pulumi stack rename`,
    }),
    releases: z.string().superRefine((given, context) => {
      if (versions.length === 0) context.addIssue(`${given}/ holds no release`);
      for (const mistake of findNameMistakes(application, versions)) context.addIssue(mistake);
    }),
    protectData: z.boolean(),
    cluster: z.strictObject({
      context: z.string().min(1),
      storageClass: name.optional(),
      snapshotClass: name.optional(),
      deployer: z.string().min(1).optional(),
    }),
    database: z.strictObject({
      storage: byteQuantity.refine((text) => bytesOf(text) >= leastStorage, {
        error: "must be at least 1Gi: a fresh server with its write-ahead log needs that much",
      }),
      cpu: cpuQuantity,
      memory: byteQuantity,
      tunnelPort: z.int().min(1024).max(65535).optional(),
      deadlineSeconds: z.int().min(1).optional(),
    }),
    backend: z.strictObject({ replicas }),
    frontend: z.strictObject({
      replicas,
      nodePort: z.int().min(30000).max(32767).optional(),
      address: z.url().optional(),
    }),
    /** When the old columns go: seconds without a use of them, then days in the archive. */
    contract: z.strictObject({
      soakSeconds: z.number().min(0).default(2),
      keepDays: z.number().min(0).default(7),
    }),
    /** The stack whose data this one clones. */
    source: otherStack.optional(),
    clone: z.strictObject({
      generation: z.int().min(1).default(1),
      allowUnmasked: z.boolean().default(false),
    }),
    /** The stack that must have passed a release before this one takes it. */
    promotion: z
      .strictObject({ from: otherStack, bootstrap: z.boolean().default(false) })
      .optional(),
    sampleData: z
      .strictObject({
        rows: z.int().min(1).max(5_000_000),
        seed: z.string().min(1).max(100),
        file: z.string().refine(isFile, { error: "is no file" }),
      })
      .optional(),
  });
}

type Parsed = z.infer<ReturnType<typeof settingsSchema>>;

/** What belongs to the place: everything that differs between stacks, and the release they run. */
export type Settings = Readonly<
  Omit<Parsed, "release" | "releases" | "cluster" | "protectData">
> & {
  readonly release: Release;
  /** all releases there are, oldest first */
  readonly releases: readonly Release[];
  /** the cluster, and the namespace of this stack in it */
  readonly place: Readonly<Parsed["cluster"]> & { readonly namespace: string };
  /** whether pulumi refuses to delete what holds data */
  readonly protect: boolean;
};

/**
 * Reads the stack's configuration and the environment: the only place that does.
 * @throws UserError with all mistakes in one message
 */
export function loadSettings(): Settings {
  const stack = pulumi.getStack();
  const config = readConfig(pulumi.getProject());
  const folder = textOf(config.releases);
  const versions = listReleases(folder);
  const application = textOf(config.application);
  const parsed = settingsSchema({ stack, versions, application }).safeParse(config);
  if (!parsed.success) {
    throw new UserError(
      `Pulumi.${stack}.yaml has ${parsed.error.issues.length} mistake(s).`,
      parsed.error.issues.map((issue) => {
        const isRelease = issue.path[0] === "release" && versions.length > 0;
        const hint = isRelease ? `; ${folder}/ holds: ${versions.join(", ")}` : "";
        return `stateful-cd:${describeIssue(issue)}${hint}`;
      }),
      `edit Pulumi.${stack}.yaml (Pulumi.yaml describes each key)`,
    );
  }
  const { release, releases, cluster, protectData: protect, ...settings } = parsed.data;
  return Object.freeze({
    ...settings,
    release: loadRelease(releases, release),
    releases: versions.map((version) => loadRelease(releases, version)),
    place: { ...cluster, namespace: namespaceOf(settings.application, stack) },
    protect,
  });
}

/** All keys of our own in one object, so that unknown ones are seen too. */
function readConfig(project: string): Record<string, unknown> {
  const config: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(pulumi.runtime.allConfig())) {
    const name = key.slice(project.length + 1);
    // A version that looks like a number is still a version.
    if (key.startsWith(`${project}:`)) config[name] = name === "release" ? text : parseValue(text);
  }
  // Pulumi.yaml gives every key a default; of these it means that there is none.
  if (isEmpty(config.sampleData)) delete config.sampleData;
  if (isEmpty(config.promotion)) delete config.promotion;
  if (config.source === "") delete config.source;
  const context = process.env.STATEFUL_CD_CONTEXT;
  if (context && typeof config.cluster === "object") {
    config.cluster = { ...config.cluster, context };
  }
  return config;
}

/** Pulumi hands every value over as text: objects and booleans as JSON. */
function parseValue(text: string): unknown {
  if (!/^([[{]|true$|false$)/.test(text)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Text that only begins like an object: the schema says what belongs there.
    return text;
  }
}

/** A value that is to be text; empty where it is not, which is a mistake that the schema reports. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function isFile(file: string): boolean {
  return existsSync(file) && statSync(file).isFile();
}

function namespaceOf(application: string, stack: string): string {
  return `${application}-${stack}`;
}
