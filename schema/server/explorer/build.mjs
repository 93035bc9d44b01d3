// Bundles GraphiQL, its editor (Monaco) and the editor's workers into the files that the page loads.
import { rmSync } from "node:fs";
import { build } from "esbuild";

const outdir = "static/explorer/vendor";
const MONACO = "monaco-editor/esm/vs";

rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: {
    graphiql: "graphiql.js",
    "editor.worker": `${MONACO}/editor/editor.worker.js`,
    "json.worker": `${MONACO}/language/json/json.worker.js`,
    "graphql.worker": "monaco-graphql/esm/graphql.worker.js",
  },
  outdir,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".ttf": "dataurl" },
  logLevel: "info",
});
