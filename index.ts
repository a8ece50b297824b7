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
  const on = { provider: await connectCluster("cluster", place) };

  let promotion: PromotionGate | undefined;
  if (settings.promotion) {
    const evidence = await readEvidence(settings.promotion.from);
    const database = addressOf(place.context, place.namespace, application);
    const gate = { ...release, ...settings.promotion, evidence, database };
    promotion = new PromotionGate("promotion", gate);
  }
  const admitted = promotion?.release ?? release.release;
  const environment = new Environment("environment", { ...place, protect, release: admitted }, on);
  const { namespace } = environment;
  const { namespace: namespaceName } = place;
  const all = { ...place, ...release, namespace, namespaceName, database: application, protect };

  const credentials = new DatabaseCredentials("credentials", all, on);
  const servers = { ...all, ...settings.database, credentials };
  let clone: DatabaseClone | undefined;
  if (settings.source) {
    const source = await readSource(settings.source);
    clone = new DatabaseClone("clone", { ...servers, ...settings.clone, source }, on);
  }
  const { releases } = settings;
  const database = new Database("database", { ...servers, releases, from: clone }, on);
  let rollbackPoint: Snapshot | undefined;
  if (protect) rollbackPoint = new Snapshot("rollback-point", { ...all, claim: database.claim });

  const inside = { ...release, database: database.address, cloneId: clone?.cloneId };
  const schema = new SchemaHistory("schema", { ...inside, rollbackPoint: rollbackPoint?.snapshot });
  const { version: schemaVersion } = schema;
  if (settings.sampleData) {
    new SampleData("sample-data", { ...inside, ...settings.sampleData, schemaVersion });
  }
  const compared = { ...inside, control: clone?.control, schemaVersion };
  const checks = new IntegrityChecks("integrity", compared);

  const { verifiedVersion } = checks;
  const { login } = database;
  const api = { ...all, ...settings.backend, login, schemaVersion: verifiedVersion };
  const backend = new Backend("backend", api, on);
  const page = { ...all, ...settings.frontend, backend: backend.url };
  const frontend = new Frontend("frontend", page, on);

  const { otherLogins: oldRoles } = database;
  const contract = new Contract("contract", { ...inside, servedBy: frontend.release, oldRoles });
  const parts = { promotion, environment, database, schema, checks, frontend, contract };
  return handOn(release, parts);
}
