/** What an app downloads. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

const PAGE = `
import { Katha } from "@katha/client";
import { KathaProvider, useEditing, useQuery } from "@katha/client/react";
import "@katha/client/apollo";
import "@katha/client/urql";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
const Page = () => {
  const [state] = useEditing({ __typename: "Chapter", id: "x", version: "1", title: "One", body: "one" });
  return createElement("p", null, useQuery("{ viewer { id } }").isLoading ? String(state) : "asked");
};
console.log(renderToString(createElement(KathaProvider, { katha: new Katha({ url: "http://127.0.0.1:1" }) }, createElement(Page))));
`;

test("what is packed is what an app needs, and runs without a bundler and without a window", () => {
  const app = mkdtempSync(join(tmpdir(), "katha-app-"));
  try {
    const [{ filename, files }] = JSON.parse(execFileSync("npm", ["pack", "--json", "--pack-destination", app], { encoding: "utf8" }));
    const names: string[] = files.map(({ path }: { path: string }) => path);
    assert.deepEqual(names.filter((name) => !name.startsWith("dist/")).sort(), ["LICENSE", "README.md", "package.json"]);
    assert.deepEqual(names.filter((name) => !/\.(js|js\.map|d\.ts)$/.test(name)).sort(), ["LICENSE", "README.md", "package.json"]);
    const modules = join(app, "node_modules");
    mkdirSync(join(modules, "@katha"), { recursive: true });
    execFileSync("tar", ["-xzf", join(app, filename), "-C", join(modules, "@katha")]);
    execFileSync("mv", [join(modules, "@katha/package"), join(modules, "@katha/client")]);
    for (const peer of ["react", "react-dom", "graphql", "rxjs", "wonka", "@apollo", "@urql"]) symlinkSync(join(process.cwd(), "node_modules", peer), join(modules, peer));
    writeFileSync(join(app, "page.mjs"), PAGE);
    assert.equal(execFileSync(process.execPath, ["page.mjs"], { cwd: app, encoding: "utf8" }), "<p>null</p>\n");
  } finally {
    rmSync(app, { recursive: true });
  }
});

test("who imports one function downloads little more than that", async () => {
  const stdin = { contents: 'import { newKey } from "./dist/index.js"; console.log(newKey());', resolveDir: process.cwd() };
  const made = await build({ stdin, bundle: true, minify: true, format: "esm", write: false });
  assert.ok(made.outputFiles[0]!.contents.length < 500);
});
