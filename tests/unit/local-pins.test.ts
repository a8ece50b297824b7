import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseAllDocuments } from "yaml";
import {
  bindingPermissions,
  clusterPermissions,
  namespacePermissions,
  namespaceRole,
  type Permission,
} from "../../kube/permissions";
import { addresses } from "../../local/addresses";
import { clusterModules, pluginLinks, pulumiModules } from "../../local/goModules";
import { cachePaths, repository } from "../../local/paths";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules?: readonly Rule[];
}

async function rulesOf(role: string): Promise<readonly Rule[]> {
  const file = path.join(repository, "local", "manifests", "program.yaml");
  const documents = parseAllDocuments(await readFile(file, "utf8"));
  const found = documents
    .map((document) => document.toJS() as Manifest)
    .find(({ kind, metadata }) => kind === "ClusterRole" && metadata.name === role);
  return found?.rules ?? assert.fail(`no ClusterRole ${role}`);
}

function flatten(permissions: readonly Permission[]): string[] {
  return permissions
    .flatMap(({ group, resource, verbs }) => verbs.map((verb) => `${verb} ${resource}.${group}`))
    .sort();
}

function flattenRules(rules: readonly Rule[]): string[] {
  const unnamed = rules.filter((rule) => rule.resourceNames === undefined);
  return flatten(
    unnamed.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) => resources.map((resource) => ({ group, resource, verbs }))),
    ),
  );
}

describe("the permissions that are checked", () => {
  it("are the ones that the manifest grants in the cluster", async () => {
    const granted = flattenRules(await rulesOf("stateful-cd"));
    assert.deepEqual(flatten([...clusterPermissions, ...bindingPermissions]), granted);
  });

  it("are the ones that the manifest grants in a namespace", async () => {
    assert.deepEqual(flatten(namespacePermissions), flattenRules(await rulesOf(namespaceRole)));
  });

  it("never let the program run commands in pods, or make pods of its own", () => {
    const all = flatten([...clusterPermissions, ...namespacePermissions]);
    assert.deepEqual(
      all.filter((permission) => /exec|attach|(create|patch|update) pods\./.test(permission)),
      [],
    );
  });
});

describe("the pins", () => {
  it("say the same version in go.mod and to the linker", async () => {
    const text = async (folder: string) =>
      readFile(path.join(repository, "local", folder, "go.mod"), "utf8");
    for (const module of [...clusterModules, ...pulumiModules]) {
      const pinned = await text(module.folder);
      for (const [variable, version] of Object.entries(module.versions)) {
        if (!variable.endsWith("ersion")) continue;
        assert.ok(
          pinned.includes(`v${version.replace(/^v/, "")}`),
          `${module.name} pins no ${version}`,
        );
      }
    }
  });

  it("give Pulumi the plugins of the SDKs that the program installs", async () => {
    const manifest = JSON.parse(await readFile(path.join(repository, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    const versions = ["kubernetes", "postgresql"].map(
      (name) => `resource-${name}-v${manifest.dependencies[`@pulumi/${name}`] ?? ""}`,
    );
    const folders = [...pluginLinks(cachePaths("/c")).keys()].map(
      (place) => place.split("/").at(-2) ?? "",
    );
    assert.deepEqual(folders, versions);
  });

  it("put DNS at the address that the manifest and the pods are given", async () => {
    const dns = await readFile(path.join(repository, "local", "manifests", "dns.yaml"), "utf8");
    assert.ok(dns.includes(`clusterIP: ${addresses.dnsService}\n`));
    assert.ok(dns.includes(`addresses: [${addresses.node}]`));
  });
});
