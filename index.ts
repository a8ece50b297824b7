import { Backend } from "./components/backend";
import { connectCluster } from "./components/cluster";
import { Contract } from "./components/contract";
import { addressOf, Database } from "./components/database";
import { DatabaseClone } from "./components/databaseClone";
import { DatabaseCredentials } from "./components/databaseCredentials";
import { Environment } from "./components/environment";
import { Frontend } from "./components/frontend";
import { IntegrityChecks } from "./components/integrityChecks";
import { PromotionGate } from "./components/promotionGate";
import { readContents } from "./components/releaseContents";
import { SampleData } from "./components/sampleData";
import { SchemaHistory } from "./components/schemaHistory";
import { Snapshot } from "./components/snapshot";
import { handOn, readEvidence, readSource } from "./components/stackOutputs";
import { loadSettings } from "./settings";

/** One release: application, database server and schema move together, in the order they stand here. */
export default async function deliver() {
  const { application, place, protect, ...settings } = loadSettings();
  const release = await readContents(settings.release);
  const opts = { provider: await connectCluster("cluster", place) };

  const promotion =
    settings.promotion &&
    new PromotionGate("promotion", {
      ...release,
      ...settings.promotion,
      evidence: await readEvidence(settings.promotion.from),
      database: addressOf(place.context, place.namespace, application),
    });
  const environment = new Environment(
    "environment",
    { ...place, release: promotion?.release ?? release.release, protect },
    opts,
  );
  const shared = {
    ...place,
    ...release,
    namespace: environment.namespace,
    database: application,
    protect,
  };
  const credentials = new DatabaseCredentials("credentials", shared, opts);
  const clone =
    settings.source &&
    new DatabaseClone(
      "clone",
      {
        ...shared,
        ...settings.clone,
        ...settings.database,
        source: await readSource(settings.source),
        credentials,
      },
      opts,
    );
  const database = new Database(
    "database",
    {
      ...shared,
      ...settings.database,
      namespaceName: place.namespace,
      releases: settings.releases,
      credentials,
      from: clone,
      client: "backend",
    },
    opts,
  );
  const rollbackPoint = protect
    ? new Snapshot("rollback-point", { ...shared, claim: database.claim })
    : undefined;

  const inside = { ...release, database: database.address, cloneId: clone?.cloneId };
  const schema = new SchemaHistory("schema", { ...inside, rollbackPoint: rollbackPoint?.snapshot });
  if (settings.sampleData) {
    const { version: schemaVersion } = schema;
    new SampleData("sample-data", { ...settings.sampleData, ...inside, schemaVersion });
  }
  const checks = new IntegrityChecks("integrity", {
    ...inside,
    control: clone?.control,
    schemaVersion: schema.version,
  });

  const backend = new Backend(
    "backend",
    {
      ...shared,
      ...settings.backend,
      login: database.login,
      schemaVersion: checks.verifiedVersion,
      client: "frontend",
    },
    opts,
  );
  const frontend = new Frontend(
    "frontend",
    { ...shared, ...settings.frontend, backend: backend.url },
    opts,
  );
  const contract = new Contract("contract", {
    ...inside,
    servedBy: frontend.release,
    app: "backend",
    oldRoles: database.otherLogins,
  });
  return handOn(release, {
    promotion,
    environment,
    database,
    schema,
    checks,
    frontend,
    contract,
  });
}
