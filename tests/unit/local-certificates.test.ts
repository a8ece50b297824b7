import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  certificates,
  certificateText,
  ensureCertificates,
  isFresh,
  keyPair,
} from "../../local/certificates";

const day = 86_400_000;

describe("the cluster's certificates", () => {
  let pki: string;
  before(async () => {
    pki = await mkdtemp(path.join(tmpdir(), "stateful-cd-pki-"));
    await ensureCertificates(pki);
  });
  after(() => rm(pki, { recursive: true }));

  const read = async (name: string) =>
    new X509Certificate(await readFile(keyPair(pki, name).certificate));

  it("are kept while they are good", async () => {
    const text = await certificateText(pki);
    await ensureCertificates(pki);
    assert.equal(await certificateText(pki), text);
  });

  it("keep their keys from everybody but their owner", async () => {
    for (const name of [...certificates.map((spec) => spec.name), "cluster-ca", "etcd-ca"]) {
      const { mode } = await stat(keyPair(pki, name).key);
      assert.equal(mode & 0o777, 0o600, name);
    }
  });

  it("name the program alone, in no group", async () => {
    assert.equal((await read("program")).subject, "CN=stateful-cd");
  });

  it("of clients cannot serve, and those of etcd mean nothing to the API server", async () => {
    const clientAuth = "1.3.6.1.5.5.7.3.2";
    assert.deepEqual((await read("program")).keyUsage, [clientAuth]);
    const authority = await read("cluster-ca");
    assert.equal((await read("etcd-client")).verify(authority.publicKey), false);
  });

  it("are made anew when a file was cut short", async () => {
    const before = await read("admin");
    await truncate(keyPair(pki, "admin").certificate, 20);
    await ensureCertificates(pki);
    assert.notEqual((await read("admin")).serialNumber, before.serialNumber);
  });

  it("are renewed before they end, by the same authority while that is young", async () => {
    const authority = (await read("cluster-ca")).serialNumber;
    const before = await read("kubelet");
    await ensureCertificates(pki, new Date(Date.parse(before.validTo) - 30 * day));
    assert.notEqual((await read("kubelet")).serialNumber, before.serialNumber);
    assert.equal((await read("cluster-ca")).serialNumber, authority);
  });
});

describe("a certificate's freshness", () => {
  it("ends sixty days before the certificate does", () => {
    const now = new Date("2030-01-01T00:00:00Z");
    assert.equal(isFresh(new Date(now.getTime() + 61 * day), now), true);
    assert.equal(isFresh(new Date(now.getTime() + 59 * day), now), false);
  });
});
