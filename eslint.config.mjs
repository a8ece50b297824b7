import tseslint from "typescript-eslint";

/** Folders in the order dependencies may point: each may import only what `allowed` names. */
const layers = {
  engine: [],
  data: [],
  kube: [],
  "components/dynamic": ["engine", "data", "kube"],
  components: ["components/dynamic", "engine", "kube"],
  local: ["kube"],
  demo: ["kube", "local"],
};
const folders = [
  "engine",
  "data",
  "kube",
  "components",
  "local",
  "demo",
  "bench",
  "tests",
  "app",
  "settings",
  "index",
];

/** The engine's own folders, lowest first: each may import those before it, never those behind. */
const engine = [
  "sql",
  "files",
  "session",
  "schema",
  "journal",
  "locks",
  "steps",
  "repeatable",
  "sync",
  "preparing",
  "backfill",
  "contracting",
];

/** Packages that only one layer may know. */
const packages = {
  "@pulumi/*": ["components", "components/dynamic"],
  "@kubernetes/client-node": [],
  ws: ["kube"],
  pg: ["engine", "data", "kube", "components/dynamic", "demo"],
};

function importDirection([folder, allowed]) {
  const forbidden = folders
    .filter((name) => !folder.startsWith(name) && !allowed.some((a) => a.startsWith(name)))
    .map((name) => ({
      regex: `^(\\.\\./)+${name}(/|\\.js$)`,
      message: `${folder}/ may not import ${name}/: dependencies point one way (CONTRIBUTING.md).`,
    }));
  const foreign = Object.entries(packages)
    .filter(([, users]) => !users.includes(folder))
    .map(([name]) => ({
      group: [name],
      message: `${folder}/ must not know ${name} (CONTRIBUTING.md).`,
    }));
  return {
    files: [`${folder}/**/*.ts`],
    ignores: folder === "components" ? ["components/dynamic/**"] : [],
    rules: { "no-restricted-imports": ["error", { patterns: [...forbidden, ...foreign] }] },
  };
}

/** On top of what the whole engine may not import, what lies above a folder of it. */
function engineDirection(folder, level) {
  const [{ patterns }] = importDirection(["engine", []]).rules["no-restricted-imports"].slice(1);
  const above = engine.slice(level + 1).map((name) => ({
    regex: `^\\.\\./${name}/`,
    message: `engine/${folder}/ may not import engine/${name}/: dependencies point one way (CONTRIBUTING.md).`,
  }));
  return {
    files: [`engine/${folder}/**/*.ts`],
    rules: { "no-restricted-imports": ["error", { patterns: [...patterns, ...above] }] },
  };
}

export default tseslint.config(
  { ignores: ["dist/**", "node_modules/**", "local/toolchain/**"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { project: ["./tsconfig.json", "./app/tsconfig.json"] },
    },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      // The build script is plain JavaScript outside of what the compiler sees; the shapes are loaded late.
      "@typescript-eslint/no-require-imports": [
        "error",
        { allow: ["^(\\.\\./)+build\\.js$", "^\\./shapes$"] },
      ],
      eqeqeq: "error",
      "no-console": "off",
    },
  },
  {
    files: ["components/**/*.ts", "engine/**/*.ts", "data/**/*.ts", "kube/**/*.ts", "index.ts"],
    rules: {
      "no-restricted-properties": [
        "error",
        { object: "process", property: "env", message: "Only settings.ts reads the environment." },
      ],
    },
  },
  {
    // mocha's own API: describe and it return nothing one could await.
    files: ["tests/**/*.ts"],
    rules: { "@typescript-eslint/no-unused-expressions": "off" },
  },
  ...Object.entries(layers).map(importDirection),
  ...engine.map(engineDirection),
  { files: ["kube/clusterClient.ts"], rules: { "no-restricted-imports": "off" } },
);
