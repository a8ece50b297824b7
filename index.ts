import { Backend } from "./components/backend";
import { connectCluster } from "./components/cluster";
import { addressOf, Database } from "./components/database";
import { DatabaseCredentials } from "./components/databaseCredentials";
import { Environment } from "./components/environment";
import { Frontend } from "./components/frontend";
import { PromotionGate } from "./components/promotionGate";
import { digestRelease } from "./components/releaseDigest";
import { SampleData } from "./components/sampleData";
import { readHistory, SchemaHistory } from "./components/schemaHistory";
import { readEvidence } from "./components/stackOutputs";
import { loadSettings } from "./settings";

/** One release: application, database server and schema move together, in the order they stand here. */
export default async function deliver() {
  const { release, application, namespace, ...settings } = loadSettings();
  const { context } = settings.cluster;
  const history = await readHistory(release.migrations);
  const releaseDigest = digestRelease({ release, ...history });
  const cluster = await connectCluster("cluster", { namespace, ...settings.cluster });
  const onCluster = { provider: cluster };

  const promotion =
    settings.promotion &&
    new PromotionGate("promotion", {
      release: release.version,
      releaseDigest,
      evidence: await readEvidence(settings.promotion.from),
      bootstrap: settings.promotion.bootstrap,
      database: addressOf(context, namespace, application),
    });

  const environment = new Environment(
    "environment",
    {
      namespace,
      release: promotion?.release ?? release.version,
      deployer: settings.cluster.deployer,
      protect: settings.protectData,
    },
    onCluster,
  );

  const credentials = new DatabaseCredentials(
    "credentials",
    { namespace: environment.namespace, protect: settings.protectData },
    onCluster,
  );

  const database = new Database(
    "database",
    {
      ...settings.database,
      credentials,
      context,
      storageClass: settings.cluster.storageClass,
      protect: settings.protectData,
      namespace: environment.namespace,
      namespaceName: namespace,
      database: application,
      release: release.version,
      releases: settings.releases,
      server: release.server,
      pooler: release.pooler,
      client: "backend",
    },
    onCluster,
  );

  const schema = new SchemaHistory("schema", {
    ...history,
    database: database.address,
    releaseDigest,
  });

  if (settings.sampleData) {
    new SampleData("sample-data", {
      ...settings.sampleData,
      database: database.address,
      schemaVersion: schema.version,
    });
  }

  const backend = new Backend(
    "backend",
    {
      ...settings.backend,
      namespace: environment.namespace,
      release: release.version,
      image: release.backend,
      database: database.login,
      schemaVersion: schema.version,
      client: "frontend",
    },
    onCluster,
  );

  const frontend = new Frontend(
    "frontend",
    {
      ...settings.frontend,
      namespace: environment.namespace,
      release: release.version,
      image: release.frontend,
      backend: backend.url,
    },
    onCluster,
  );

  return {
    release: frontend.release,
    releaseDigest,
    page: settings.frontend.address ?? frontend.url,
    namespace: environment.namespace,
    database: database.address,
    claim: database.claim,
    schemaVersion: schema.version,
    schemaFingerprint: schema.fingerprint,
  };
}
