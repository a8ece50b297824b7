import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { addresses, nodeName } from "./addresses";
import { readIfPresent, writeAtomically } from "./atomicFile";
import { run } from "./command";

/** One certificate: who it names, where it is valid, and which authority signs it. */
export interface CertificateSpec {
  readonly name: string;
  readonly authority: "cluster" | "etcd";
  readonly commonName: string;
  readonly organisation?: string;
  /** Subject alternative names, as openssl writes them; none for a pure client. */
  readonly names?: readonly string[];
}

export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

const authorityDays = 3650;
const leafDays = 730;
const renewBeforeDays = 60;

const client = (name: string, commonName: string, organisation?: string): CertificateSpec => ({
  name,
  authority: "cluster",
  commonName,
  ...(organisation === undefined ? {} : { organisation }),
});

const localhost = ["IP:127.0.0.1", "DNS:localhost"];

/** Every certificate of the cluster: one identity a process, so that RBAC can tell them apart. */
export const certificates: readonly CertificateSpec[] = [
  { name: "etcd", authority: "etcd", commonName: "etcd", names: localhost },
  { name: "etcd-client", authority: "etcd", commonName: "kube-apiserver" },
  {
    name: "apiserver",
    authority: "cluster",
    commonName: "kube-apiserver",
    names: [
      `IP:${addresses.node}`,
      `IP:${addresses.apiService}`,
      ...localhost,
      "DNS:kubernetes",
      "DNS:kubernetes.default",
      "DNS:kubernetes.default.svc",
      "DNS:kubernetes.default.svc.cluster.local",
    ],
  },
  {
    name: "kubelet-server",
    authority: "cluster",
    commonName: `system:node:${nodeName}`,
    organisation: "system:nodes",
    names: [`IP:${addresses.node}`, `DNS:${nodeName}`],
  },
  { name: "control", authority: "cluster", commonName: "control", names: localhost },
  client("admin", "stateful-cd-admin", "system:masters"),
  client("program", "stateful-cd"),
  client("supervisor", "stateful-cd:supervisor"),
  client("kubelet", `system:node:${nodeName}`, "system:nodes"),
  client("apiserver-to-kubelet", "stateful-cd:apiserver-to-kubelet"),
  client("controller-manager", "system:kube-controller-manager"),
  client("scheduler", "system:kube-scheduler"),
  client("proxy", "system:kube-proxy"),
  client("coredns", "stateful-cd:coredns"),
  client("node-ports", "stateful-cd:node-ports"),
  client("snapshot-controller", "stateful-cd:snapshot-controller"),
  client("csi-snapshotter", "stateful-cd:csi-snapshotter"),
  client("csi-provisioner", "stateful-cd:csi-provisioner"),
];

/** The files of a certificate, by its name; authorities are `cluster-ca` and `etcd-ca`. */
export function keyPair(pki: string, name: string): KeyPair {
  return { certificate: path.join(pki, `${name}.crt`), key: path.join(pki, `${name}.key`) };
}

/** Creates what is missing and renews what is damaged, foreign to its authority or near its end. */
export async function ensureCertificates(pki: string, now = new Date()): Promise<void> {
  await mkdir(pki, { recursive: true, mode: 0o700 });
  await ensureServiceAccountKey(pki);
  for (const authority of ["cluster", "etcd"]) {
    const pair = keyPair(pki, `${authority}-ca`);
    if (!(await isAuthorityUsable(pair, now))) await createAuthority(pair, authority);
  }
  for (const spec of certificates) {
    if (!(await isLeafUsable(pki, spec, now))) await createLeaf(pki, spec);
  }
}

/** Whether a certificate still has the days left that renewal asks for. */
export function isFresh(validTo: Date, now: Date): boolean {
  return validTo.getTime() - now.getTime() > renewBeforeDays * 86_400_000;
}

/** Whether certificate and key belong together and name exactly what the specification asks for. */
export function matchesSpec(
  certificate: X509Certificate,
  key: string,
  authority: X509Certificate,
  spec: CertificateSpec,
): boolean {
  const subject = [
    ...(spec.organisation === undefined ? [] : [`O=${spec.organisation}`]),
    `CN=${spec.commonName}`,
  ].join("\n");
  const names = (spec.names ?? []).map((name) => name.replace(/^IP:/, "IP Address:"));
  return (
    certificate.subject === subject &&
    (certificate.subjectAltName ?? "") === names.join(", ") &&
    certificate.verify(authority.publicKey) &&
    certificate.checkPrivateKey(createPrivateKey(key))
  );
}

async function readPair(pair: KeyPair) {
  const text = await readIfPresent(pair.certificate);
  const key = await readIfPresent(pair.key);
  if (text === undefined || key === undefined) return undefined;
  try {
    createPrivateKey(key);
    return { certificate: new X509Certificate(text), key };
  } catch (error) {
    // OpenSSL throws for whatever cannot be parsed: such a pair is made anew.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

async function isAuthorityUsable(pair: KeyPair, now: Date): Promise<boolean> {
  const read = await readPair(pair);
  return (
    read?.certificate.checkPrivateKey(createPrivateKey(read.key)) === true &&
    isFresh(new Date(read.certificate.validTo), now)
  );
}

async function isLeafUsable(pki: string, spec: CertificateSpec, now: Date): Promise<boolean> {
  const read = await readPair(keyPair(pki, spec.name));
  const authority = await readPair(keyPair(pki, `${spec.authority}-ca`));
  if (read === undefined || authority === undefined) return false;
  return (
    isFresh(new Date(read.certificate.validTo), now) &&
    matchesSpec(read.certificate, read.key, authority.certificate, spec)
  );
}

function newPrivateKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

async function createAuthority(pair: KeyPair, name: string): Promise<void> {
  await writeAtomically(pair.key, newPrivateKey(), 0o600);
  const certificate = await run("openssl", [
    ...["req", "-x509", "-new", "-key", pair.key, "-days", String(authorityDays)],
    ...["-subj", `/CN=stateful-cd ${name} authority`, "-addext", "keyUsage=critical,keyCertSign"],
  ]);
  await writeAtomically(pair.certificate, certificate);
}

async function createLeaf(pki: string, spec: CertificateSpec): Promise<void> {
  const pair = keyPair(pki, spec.name);
  const authority = keyPair(pki, `${spec.authority}-ca`);
  await writeAtomically(pair.key, newPrivateKey(), 0o600);
  const organisation = spec.organisation === undefined ? "" : `/O=${spec.organisation}`;
  const request = await run("openssl", [
    ...["req", "-new", "-key", pair.key, "-subj", `${organisation}/CN=${spec.commonName}`],
  ]);
  const extensions = path.join(pki, `${spec.name}.ext`);
  await writeAtomically(extensions, extensionsOf(spec));
  const certificate = await run(
    "openssl",
    [
      ...["x509", "-req", "-CA", authority.certificate, "-CAkey", authority.key],
      ...["-days", String(leafDays), "-extfile", extensions],
      ...["-set_serial", `0x${newSerial()}`],
    ],
    { input: request },
  );
  await writeAtomically(pair.certificate, certificate);
  await rm(extensions);
}

function extensionsOf(spec: CertificateSpec): string {
  // etcd calls itself with its serving certificate, so that one is good for both.
  const usage =
    spec.names === undefined
      ? "clientAuth"
      : spec.authority === "etcd"
        ? "serverAuth,clientAuth"
        : "serverAuth";
  return [
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    `extendedKeyUsage=${usage}`,
    ...(spec.names === undefined ? [] : [`subjectAltName=${spec.names.join(",")}`]),
    "",
  ].join("\n");
}

function newSerial(): string {
  return crypto.randomUUID().replaceAll("-", "").replace(/^./, "1");
}

/** The key that signs service account tokens; losing it would void every token that pods hold. */
async function ensureServiceAccountKey(pki: string): Promise<void> {
  const pair = { key: path.join(pki, "sa.key"), public: path.join(pki, "sa.pub") };
  const existing = await readIfPresent(pair.key);
  if (existing !== undefined && (await readIfPresent(pair.public)) !== undefined) return;
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  await writeAtomically(
    pair.key,
    privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
    0o600,
  );
  await writeAtomically(pair.public, publicKey.export({ type: "spki", format: "pem" }).toString());
}

/** All certificates' text in one string: when it changes, the processes must be started anew. */
export async function certificateText(pki: string): Promise<string> {
  const names = ["cluster-ca", "etcd-ca", ...certificates.map((spec) => spec.name)];
  const texts = await Promise.all(
    names.map((name) => readFile(keyPair(pki, name).certificate, "utf8")),
  );
  return texts.join("");
}
