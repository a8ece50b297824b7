// What Pulumi runs: the compiled program, rebuilt first when its sources have changed. Errors meant
// for a person are shown as they are, without a stack trace.
const { RunError } = require("@pulumi/pulumi");

// Pulumi asks for the stack of every promise and resource; mapping each to TypeScript takes it half
// a second. The stack of an unexpected error is still mapped.
const mapStack = Error.prepareStackTrace;

module.exports = async () => {
  Error.prepareStackTrace = undefined;
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
