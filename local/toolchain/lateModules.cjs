// Loaded before Pulumi's SDK in each of its processes. The SDK loads TypeScript's compiler and npm's
// arborist as it starts, a second of CPU in each command, and uses them to serialise functions, which
// a program with provider texts of its own never does. Here they are loaded at their first use.
const Module = require("node:module");

const late = new Set(["typescript", "@npmcli/arborist"]);
const load = Module._load;

Module._load = function (request, ...rest) {
  if (!late.has(request)) return load.call(this, request, ...rest);
  let loaded;
  const use = () => (loaded ??= load.call(this, request, ...rest));
  return new Proxy(function () {}, {
    // The importing module asks this much of every module, which is no use of it.
    get: (_stand, name) => (name === "__esModule" ? true : use()[name]),
    construct: (_stand, args) => Reflect.construct(use(), args),
  });
};
