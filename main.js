// What Pulumi runs: the compiled program, rebuilt first when its sources have changed. Errors meant
// for a person are shown as they are, without a stack trace.
const { RunError } = require("@pulumi/pulumi");

module.exports = async () => {
  try {
    require("./build.js").ensureBuilt();
    return await require("./dist/index.js").default();
  } catch (error) {
    if (error.name !== "UserError") throw error;
    const shown = new RunError(error.message);
    // Where there is a stack, Pulumi also renders it for a trace, which has taken it a minute.
    shown.stack = "";
    throw shown;
  }
};
