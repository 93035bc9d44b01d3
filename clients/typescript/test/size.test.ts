/** What an app downloads. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const sizeOf = async (entry: string) => {
  const made = await build({ entryPoints: [entry], bundle: true, minify: true, format: "esm", target: "es2022", write: false, packages: "external" });
  return gzipSync(made.outputFiles[0]!.contents, { level: 9 }).length;
};

test("the core is at most 6 kB, and so is the editor", async () => {
  const [core, editing] = [await sizeOf("dist/index.js"), await sizeOf("dist/editing.js")];
  assert.ok(core <= 6_000, `the core has ${core} bytes`);
  assert.ok(editing <= 6_000, `the editor has ${editing} bytes`);
});

test("nothing is needed but peers, and every entry has its types", () => {
  const told = JSON.parse(readFileSync("package.json", "utf8"));
  assert.equal(told.dependencies, undefined);
  assert.deepEqual(Object.keys(told.peerDependencies), Object.keys(told.peerDependenciesMeta));
  for (const { types, default: code } of Object.values<any>(told.exports)) for (const file of [types, code]) readFileSync(file);
});
