// What Pulumi runs: the compiled program, rebuilt first when its sources have changed. Errors meant
// for a person are shown as they are, without a stack trace.
const { connect } = require("node:net");
const { runtime, RunError } = require("@pulumi/pulumi");

// Pulumi takes the stack of every promise and resource, and stores those of resources. Mapping each
// to TypeScript takes it half a second, and the frames of its own runner fill a tenth of the state.
// Where there is a stack it also renders the error for a trace, which has taken it a minute: an
// error for a person has none. The stack of an unexpected error is still whole and mapped.
const mapStack = Error.prepareStackTrace;
const storedFrames = 5;
const cutStack = (error, frames) =>
  error.name === "UserError"
    ? ""
    : [String(error), ...frames.slice(0, storedFrames)].join("\n    at ");

module.exports = async () => {
  leaveWithEngine(process.env.PULUMI_NODEJS_ENGINE);
  await startDynamicProvider();
  Error.prepareStackTrace = cutStack;
  try {
    require("./build.js").ensureBuilt();
    // It compiles beside the loading of the program; what fails here fails again where it is used.
    require("./dist/engine/sql/parser.js")
      .loadParser()
      .catch(() => {});
    // Pulumi's own mark of errors to show as they stand, also where it meets them inside an output.
    require("./dist/userError.js").UserError.prototype.__pulumiRunError = true;
    return await require("./dist/index.js").default();
  } catch (error) {
    Error.prepareStackTrace = mapStack;
    if (error.name !== "UserError") throw error;
    const shown = new RunError(error.message);
    shown.stack = "";
    throw shown;
  }
};

/**
 * Pulumi starts the process of dynamic resources when the first is declared, and everything waits
 * for it a second or two. Called for anything at all, it starts beside the loading of the program.
 */
async function startDynamicProvider() {
  // There is no such function, which is the answer; what else fails, fails again at the first resource.
  runtime.invoke("pulumi-nodejs:dynamic/stateful-cd:start", {}).catch(() => {});
  // The call leaves this process before the loading keeps it from it.
  await new Promise((resolve) => setTimeout(resolve));
}

/** A kill -9 of the CLI leaves its program running, with the tunnel's port and work nobody stores. */
function leaveWithEngine(engine) {
  const [host, port] = engine.split(":");
  const look = () => {
    const seen = connect({ host, port: Number(port) }, () => seen.destroy());
    seen.on("error", () => process.exit(1)).unref();
  };
  setInterval(look, 1_000).unref();
}
