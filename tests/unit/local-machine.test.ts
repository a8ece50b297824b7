import { strict as assert } from "node:assert";
import { cacheRoot, cachePaths } from "../../local/paths";
import { choose, contextOf, findProgram, shellExports, variables } from "../../local/environment";
import { isAtLeast } from "../../local/machine";
import { formatTable } from "../../local/status";

describe("a version", () => {
  it("is compared number by number, whatever surrounds it", () => {
    assert.equal(isAtLeast("v20.20.2", [20]), true);
    assert.equal(isAtLeast("1.26.8 linux/amd64", [1, 26]), true);
    assert.equal(isAtLeast("6.10.3-generic", [6, 7]), true);
    assert.equal(isAtLeast("6.7", [6, 7]), true);
    assert.equal(isAtLeast("5.19.0", [6, 7]), false);
    assert.equal(isAtLeast("1.9", [1, 26]), false);
    assert.equal(isAtLeast("none", [1, 26]), false);
  });
});

describe("the cache folder", () => {
  it("is what STATEFUL_CD_CACHE says, else a folder of the user's cache", () => {
    assert.equal(cacheRoot({ STATEFUL_CD_CACHE: "/a", XDG_CACHE_HOME: "/b" }), "/a");
    assert.equal(cacheRoot({ STATEFUL_CD_CACHE: "", XDG_CACHE_HOME: "/b" }), "/b/stateful-cd");
    assert.match(cacheRoot({}), /\/\.cache\/stateful-cd$/);
  });

  it("has a path that every configuration file can hold", () => {
    assert.throws(() => cacheRoot({ STATEFUL_CD_CACHE: '/a "b' }), {
      message: [
        "The cache folder's path has characters that the cluster cannot work with: /a \"b",
        "allowed: letters, digits and . / @ + ~ _ -",
        "Next: STATEFUL_CD_CACHE=/another/folder make up",
      ].join("\n  "),
    });
  });
});

describe("the variables for a shell", () => {
  const paths = cachePaths("/it's here");
  const embedded = { context: undefined, foreignPulumi: undefined };

  it("lead to the embedded cluster and our Pulumi", () => {
    const values = variables(paths, embedded, { PATH: "/usr/bin" });
    assert.deepEqual(Object.fromEntries(values), {
      PATH: "/it's here/bin:/usr/bin",
      PULUMI_HOME: "/it's here/pulumi/home",
      KUBECONFIG: "/it's here/cluster/kubeconfig",
      PULUMI_BACKEND_URL: "file:///it's here/pulumi/state",
      PULUMI_CONFIG_PASSPHRASE_FILE: "/it's here/pulumi/passphrase",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
      PULUMI_RUN_PROGRAM: "true",
      PULUMI_DIY_BACKEND_GZIP: "true",
    });
  });

  it("leave a given cluster and a given Pulumi alone", () => {
    const given = { context: "mine", foreignPulumi: "/usr/bin/pulumi" };
    const names = [...variables(paths, given, { PATH: "/usr/bin" }).keys()];
    assert.deepEqual(names, [
      "PULUMI_BACKEND_URL",
      "PULUMI_CONFIG_PASSPHRASE_FILE",
      "PULUMI_SKIP_UPDATE_CHECK",
      "PULUMI_RUN_PROGRAM",
      "PULUMI_DIY_BACKEND_GZIP",
    ]);
  });

  it("keep a proxy away from the cluster's address", () => {
    const behindProxy = { PATH: "", HTTPS_PROXY: "http://proxy", NO_PROXY: "localhost" };
    const values = variables(paths, embedded, behindProxy);
    assert.equal(values.get("NO_PROXY"), "localhost,10.243.0.1");
  });

  it("are quoted so that any path survives", () => {
    const text = shellExports(new Map([["A", "it's $here"]]));
    assert.equal(text, "export A='it'\\''s $here'");
  });
});

describe("the choice of Pulumi", () => {
  it("takes one that is on PATH, but not our own", () => {
    assert.equal(findProgram("sh", "/nowhere:/bin", "/usr/bin"), "/bin/sh");
    assert.equal(findProgram("sh", "/bin", "/bin/"), undefined);
    assert.equal(findProgram("no-such-program", "/bin", "/x"), undefined);
  });

  it("takes an empty context for none", () => {
    const chosen = (given: string) => choose(cachePaths("/x"), { STATEFUL_CD_CONTEXT: given });
    assert.equal(chosen("").context, undefined);
    assert.equal(contextOf(chosen("")), "stateful-cd");
    assert.equal(contextOf(chosen("mine")), "mine");
  });
});

describe("a table", () => {
  it("has aligned columns and no trailing spaces", () => {
    const table = formatTable([
      ["component", "state"],
      ["etcd", "ready"],
    ]);
    assert.equal(table, "component  state\netcd       ready");
  });
});
