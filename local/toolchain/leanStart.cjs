// Loaded before Pulumi's SDK in each of its processes, which start anew for each command. What the SDK
// loads or does as it starts, and a program with provider texts of its own never needs, takes a second
// and more of CPU; here it is done at its first use.
const Module = require("node:module");

const late = new Set([
  // Functions as provider texts.
  "@npmcli/arborist",
  "normalize-package-data",
  "typescript",
  // The automation API.
  "./automation",
  // The option --tracing.
  "@opentelemetry/exporter-zipkin",
  "@opentelemetry/instrumentation",
  "@opentelemetry/instrumentation-grpc",
  "@opentelemetry/resources",
  "@opentelemetry/sdk-trace-base",
  "@opentelemetry/sdk-trace-node",
]);
const load = Module._load;

Module._load = function (request, parent, ...rest) {
  const loadIt = () => load.call(this, request, parent, ...rest);
  if (!/\/node_modules\/@pulumi\/pulumi\//.test(parent?.filename)) return loadIt();
  if (late.has(request)) return lateModule(loadIt);
  if (request === "source-map-support/register") return withoutWordsUnmapped(loadIt);
  // It attaches a debugger, which makes every later module slower to load. Whoever serialises a
  // function attaches it then.
  if (request.endsWith("/closure/v8Hooks")) return withoutDebugger(loadIt);
  return loadIt();
};

/** Stands for a module, which is loaded as soon as somebody asks it for anything. */
function lateModule(loadIt) {
  let loaded;
  const use = () => (loaded ??= loadIt());
  return new Proxy(function () {}, {
    get(_stand, name) {
      // The importing module asks this much of every module, which is no use of it.
      if (name === "__esModule") return true;
      return name === "default" && !use().__esModule ? use() : use()[name];
    },
    apply: (_stand, self, args) => Reflect.apply(use(), self, args),
    construct: (_stand, args) => Reflect.construct(use(), args),
  });
}

/**
 * The SDK takes the stack of each promise from an error without words, which nobody is shown; mapping
 * it to TypeScript reads the source maps of the SDK.
 */
function withoutWordsUnmapped(loadIt) {
  const loaded = loadIt();
  const mapped = Error.prepareStackTrace;
  Error.prepareStackTrace = (error, frames) =>
    error.message === "" ? [String(error), ...frames].join("\n    at ") : mapped(error, frames);
  return loaded;
}

function withoutDebugger(loadIt) {
  return { ...loadIt(), isInitializedAsync: async () => {} };
}
