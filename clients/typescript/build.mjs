// Builds the package: types from the printed contract, then modules and their declarations. With --tests the tests of what is built.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { codegen } from "@graphql-codegen/core";
import * as typescript from "@graphql-codegen/typescript";
import { build } from "esbuild";
import { parse } from "graphql";

const SCALARS = { BigInt: "number", Date: "string", DateTime: "string", JSON: "unknown", UUID: "string", Version: "string" };

const options = { bundle: true, format: "esm", target: "es2022", logLevel: "warning", packages: "external", sourcemap: true };

if (process.argv.includes("--tests")) await buildTests();
else await buildPackage();

async function buildPackage() {
  const types = await codegen({
    filename: "src/schema.ts",
    schema: parse(readFileSync("../../schema/schema.graphql", "utf8")),
    documents: [],
    config: {},
    plugins: [{ typescript: { scalars: SCALARS, strictScalars: true, enumsAsTypes: true, useTypeImports: true, nonOptionalTypename: true } }],
    pluginMap: { typescript },
  });
  writeFileSync("src/schema.ts", types);
  rmSync("dist", { recursive: true, force: true });
  await build({
    ...options,
    entryPoints: ["src/index.ts", "src/editing.ts", "src/apollo.ts", "src/urql.ts", "src/react.ts"],
    outdir: "dist",
    splitting: true,
    minifySyntax: true,
  });
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "."], { stdio: "inherit" });
  // The page that Katha serves at /together.
  await build({
    ...options,
    entryPoints: ["../together/main.ts"],
    outfile: "../../schema/server/together/static/together/vendor/together.js",
    minify: true,
    sourcemap: false,
  });
  writeFileSync("dist/.ready", "");
}

async function buildTests() {
  rmSync(".test", { recursive: true, force: true });
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "test"], { stdio: "inherit" });
  const tests = readdirSync("test").filter((name) => /\.test\.tsx?$/.test(name));
  await build({ ...options, entryPoints: tests.map((name) => `test/${name}`), outdir: ".test", platform: "node", jsx: "automatic" });
}
