import { Backend } from "./components/backend";
import { connectCluster } from "./components/cluster";
import { Contract } from "./components/contract";
import { Database } from "./components/database";
import { addressOf } from "./components/databaseAddress";
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
  const opts = { provider: await connectCluster("cluster", place) };
  const release = await readContents(settings.release);

  // Nothing changes before the release is let in: the environment takes it from the gate.
  let promotion: PromotionGate | undefined;
  if (settings.promotion) {
    promotion = new PromotionGate("promotion", {
      ...release,
      ...settings.promotion,
      evidence: await readEvidence(settings.promotion.from),
      database: addressOf(place.context, place.namespace, application),
    });
  }
  const letIn = promotion?.release ?? release.release;
  const environment = new Environment("environment", { ...place, protect, release: letIn }, opts);
  const { namespace } = environment;
  const names = { namespace, namespaceName: place.namespace, database: application };
  const shared = { ...place, ...release, ...names, protect };

  // Staging's data is a clone of production's; production's own is snapshotted before it changes.
  const credentials = new DatabaseCredentials("credentials", shared, opts);
  const server = { ...shared, ...settings.database, credentials };
  let clone: DatabaseClone | undefined;
  if (settings.source) {
    const source = await readSource(settings.source);
    clone = new DatabaseClone("clone", { ...server, ...settings.clone, source }, opts);
  }
  const { releases } = settings;
  const database = new Database("database", { ...server, releases, from: clone }, opts);
  const rollbackPoint = protect
    ? new Snapshot("rollback-point", { ...server, claim: database.claim }).request
    : undefined;

  // The schema before the application, and its data checked in between.
  const { cloneId } = clone ?? {};
  const inside = { ...release, database: database.address, cloneId, rollbackPoint };
  const schema = new SchemaHistory("schema", inside);
  const migrated = { ...inside, schemaVersion: schema.version };
  if (settings.sampleData) new SampleData("sample-data", { ...migrated, ...settings.sampleData });
  const checks = new IntegrityChecks("integrity", { ...migrated, control: clone?.control });

  const api = { login: database.login, schemaVersion: checks.verifiedVersion };
  const backend = new Backend("backend", { ...shared, ...settings.backend, ...api }, opts);
  const page = { ...settings.frontend, backend };
  const frontend = new Frontend("frontend", { ...shared, ...page }, opts);

  // What only the release before knew, once that is gone.
  const contract = new Contract("contract", {
    ...inside,
    ...settings.contract,
    servedBy: frontend.release,
    logins: database.logins,
  });
  const parts = { promotion, environment, database, schema, checks, frontend, contract };
  return handOn(release, parts);
}
