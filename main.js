// What Pulumi runs: the compiled program, rebuilt first when its sources have changed. Errors meant
// for a person are shown as they are, without a stack trace.
const { RunError } = require("@pulumi/pulumi");

// Pulumi takes the stack of every promise and resource, and stores those of resources. Mapping each
// to TypeScript takes it half a second, and the frames of its own runner fill a tenth of the state.
// The stack of an unexpected error is still whole and mapped.
const mapStack = Error.prepareStackTrace;
const storedFrames = 7;
const cutStack = (error, frames) =>
  [String(error), ...frames.slice(0, storedFrames)].join("\n    at ");

module.exports = async () => {
  Error.prepareStackTrace = cutStack;
  try {
    require("./build.js").ensureBuilt();
    return await require("./dist/index.js").default();
  } catch (error) {
    Error.prepareStackTrace = mapStack;
    if (error.name !== "UserError") throw error;
    const shown = new RunError(error.message);
    // Where there is a stack, Pulumi also renders it for a trace, which has taken it a minute.
    shown.stack = "";
    throw shown;
  }
};
