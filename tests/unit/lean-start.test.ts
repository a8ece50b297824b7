import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { repository } from "../../local/paths";

const leanStart = path.join(repository, "local", "toolchain", "leanStart.cjs");

/** What a script prints as JSON, in a process that starts as Pulumi's own do. */
function printed(script: string, isLean: boolean): unknown {
  const args = [...(isLean ? ["--require", leanStart] : []), "-e", script];
  return JSON.parse(execFileSync(process.execPath, args, { cwd: repository, encoding: "utf8" }));
}

describe("the lean start of Pulumi's SDK", () => {
  it("loads no compiler, no package manager and no tracing before they are used", () => {
    const script = `
      require("@pulumi/pulumi");
      const packages = Object.keys(require.cache).map((file) => file.split("/node_modules/").at(-1));
      const late = /^(typescript|@npmcli|normalize-package-data|@opentelemetry.sdk|@pulumi.pulumi.automation)/;
      console.log(JSON.stringify(packages.filter((name) => late.test(name))));`;
    assert.deepEqual(printed(script, true), []);
    assert.notDeepEqual(printed(script, false), []);
  });

  it("leaves what a program may do as it is: functions as text, their errors, automation", () => {
    const script = `
      const pulumi = require("@pulumi/pulumi");
      const separator = require("node:path").sep;
      const inner = (x) => x + separator.length;
      const failure = (error) => error.message;
      Promise.all([
        pulumi.runtime.serializeFunction(() => inner(1)).then(({ text }) => text),
        pulumi.runtime.serializeFunction(() => Math.max.call(Symbol("x"))).catch(failure),
        pulumi.runtime.serializeFunction(() => process.binding).then(({ text }) => text, failure),
        new Error("with words").stack.split("\\n")[0],
        typeof pulumi.automation.LocalWorkspace.create,
      ]).then((results) => console.log(JSON.stringify(results)));`;
    const lean = printed(script, true);
    assert.deepEqual(lean, printed(script, false));
    assert.equal((lean as string[])[4], "function");
  });
});
