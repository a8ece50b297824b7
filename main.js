// What Pulumi runs: the compiled program, rebuilt first when its sources have changed.
require("./build.js").ensureBuilt();
module.exports = require("./dist/index.js");
