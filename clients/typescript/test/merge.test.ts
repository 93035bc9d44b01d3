/** The merge is the server's own: compared on examples that the server's code has made. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { threeWay } from "../src/merge";

const ROOT = join(import.meta.dirname, "../../..");
const COUNT = process.env["EXHAUSTIVE"] ? "60000" : "4000";

test("every merge has the parts that the server makes", () => {
  const python = process.env["KATHA_PYTHON"] ?? ".venv/bin/python";
  const printed = execFileSync(python, ["-m", "tests.clients.merge_examples", COUNT], { cwd: ROOT, maxBuffer: 2 ** 30 });
  const examples: { texts: [string, string, string]; parts: unknown[] }[] = JSON.parse(printed.toString());
  assert.equal(examples.length, Number(COUNT));
  for (const { texts, parts } of examples) assert.deepEqual(threeWay(...texts), parts, JSON.stringify(texts));
  const collide = examples.filter(({ parts }) => parts.some((part: any) => part.kind === "COLLISION")).length;
  assert.ok(collide > 500 && collide < examples.length - 500, `${collide} collide`);
});

test("a long text is merged in a moment", () => {
  const lines = Array.from({ length: 3_000 }, (_, index) => `Paragraph ${index}, which says something.`);
  const base = lines.join("\n\n");
  const mine = [...lines.slice(0, 5), "mine", ...lines.slice(6)].join("\n\n");
  const theirs = [...lines.slice(0, 2_990), "theirs", ...lines.slice(2_991)].join("\n\n");
  assert.deepEqual(threeWay(base, mine, theirs).map(({ kind }) => kind), ["CLEAN"]);
});
