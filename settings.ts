import * as pulumi from "@pulumi/pulumi";
import * as z from "zod";
import { listReleases, loadRelease, type Release } from "./release";
import { UserError } from "./userError";
import { describeIssue } from "./yamlShape";

const quantity = z.string().regex(/^\d+(\.\d+)?(m|Ki|Mi|Gi|Ti)?$/, {
  error: "must be a Kubernetes quantity like 250m, 512Mi or 4Gi",
  abort: true,
});
const name = z
  .string()
  .max(40)
  .regex(/^[a-z]([a-z0-9-]*[a-z0-9])?$/, {
    error: "must be lower-case letters, digits and hyphens",
  });
const replicas = z.int().min(1).max(100);
/** initdb, 1 GB of max_wal_size and room to work: less is a server that stops in its first hour. */
const leastStorage = 1024 ** 3;

const settingsSchema = z.strictObject({
  release: z.string().min(1, { error: "is missing" }),
  application: name,
  releases: z.string().min(1),
  protectData: z.boolean(),
  cluster: z.strictObject({
    context: z.string().min(1),
    storageClass: name.optional(),
    snapshotClass: name.optional(),
    deployer: z.string().min(1).optional(),
  }),
  database: z.strictObject({
    storage: quantity.refine((text) => bytesOf(text) >= leastStorage, {
      error: "must be at least 1Gi: a fresh server with its write-ahead log needs that much",
    }),
    cpu: quantity,
    memory: quantity,
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
  source: name.optional(),
  clone: z.strictObject({
    generation: z.int().min(1).default(1),
    allowUnmasked: z.boolean().default(false),
  }),
  /** The stack that must have passed a release before this one takes it. */
  promotion: z.strictObject({ from: name, bootstrap: z.boolean().default(false) }).optional(),
  sampleData: z
    .strictObject({
      rows: z.int().min(1).max(5_000_000),
      seed: z.string().min(1).max(100),
      file: z.string().min(1),
    })
    .optional(),
});

type Parsed = z.infer<typeof settingsSchema>;

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
  const parsed = settingsSchema.safeParse(readConfig(pulumi.getProject()));
  if (!parsed.success) {
    throw new UserError(
      `Pulumi.${stack}.yaml has ${parsed.error.issues.length} mistake(s).`,
      parsed.error.issues.map((issue) => {
        const isRelease = issue.path[0] === "release";
        const hint = isRelease ? `; releases/ holds: ${listReleases("releases").join(", ")}` : "";
        return `stateful-cd:${describeIssue(issue)}${hint}`;
      }),
      `edit Pulumi.${stack}.yaml (Pulumi.yaml describes each key)`,
    );
  }
  const { release, releases, cluster, protectData: protect, ...settings } = parsed.data;
  const all = listReleases(releases).map((version) => loadRelease(releases, version));
  return Object.freeze({
    ...settings,
    // Where there is none of that version, loading it says so.
    release: all.find(({ version }) => version === release) ?? loadRelease(releases, release),
    releases: all,
    place: { ...cluster, namespace: `${settings.application}-${stack}` },
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

/** Pulumi hands every value over as text: objects, numbers and booleans as JSON. */
function parseValue(text: string): unknown {
  if (!/^([[{]|true$|false$|\d+$)/.test(text)) return text;
  return JSON.parse(text) as unknown;
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** A Kubernetes quantity of bytes as a number. */
function bytesOf(text: string): number {
  const units = { Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3, Ti: 1024 ** 4 };
  const unit = Object.entries(units).find(([suffix]) => text.endsWith(suffix));
  return Number.parseFloat(text) * (unit?.[1] ?? 1);
}
