// What the page shows of a conflict, and what it leaves out.
import assert from "node:assert/strict";
import test from "node:test";

import { missingIn, overlapsIn, paragraphs } from "./static/explorer/conflict.js";

const overlap = {
  path: "body",
  base: "One.\n\nTwo.\n\nThree.\n\nFour.",
  mine: "One.\n\nTwo!\n\nThree.\n\nFour.\n\nMine.",
  theirs: "One.\n\nThree.\n\nFour.",
};

test("what differs from the base is shown, what all have is counted", () => {
  assert.deepEqual(paragraphs(overlap, "base"), [{ same: 1 }, { text: "Two.", tag: "del" }, { same: 2 }]);
  assert.deepEqual(paragraphs(overlap, "mine"), [{ same: 1 }, { text: "Two!", tag: "ins" }, { same: 2 }, { text: "Mine.", tag: "ins" }]);
  assert.deepEqual(paragraphs(overlap, "theirs"), [{ same: 3 }]);
});

test("what only one side has deleted still stands on the other, as in the base", () => {
  const one = { base: "One.\n\nTwo.", mine: "One.\n\nTwo.", theirs: "One." };
  assert.deepEqual(paragraphs(one, "mine"), [{ same: 1 }, { text: "Two.", tag: "p" }]);
});

test("a value that is no text is shown as JSON, and one that is missing as null", () => {
  const one = { base: null, mine: true, theirs: ["VIOLENCE"] };
  assert.deepEqual(paragraphs(one, "mine"), [{ text: "true", tag: "ins" }]);
  assert.deepEqual(paragraphs(one, "theirs"), [{ text: '[\n  "VIOLENCE"\n]', tag: "ins" }]);
});

test("the overlaps of all mutations of an answer, each with the name of its own", () => {
  const data = { phone: { applied: "WRITTEN" }, laptop: { overlaps: [{ path: "body" }, { path: "title" }] }, viewer: null };
  assert.deepEqual(overlapsIn(data), [{ name: "laptop", path: "body" }, { name: "laptop", path: "title" }]);
  assert.deepEqual(overlapsIn({ many: [{ overlaps: [{ path: "place" }] }, { applied: "WRITTEN" }, null] }), [{ name: "many", path: "place" }]);
});

test("an answer that calls something else `overlaps` has none", () => {
  for (const other of [null, "text", { a: 1 }, 7]) assert.deepEqual(overlapsIn({ viewer: { overlaps: other }, list: [] }), []);
  assert.deepEqual(overlapsIn(null), []);
});

test("a side without a value says why", () => {
  assert.equal(missingIn({ base: null, mine: null, theirs: 1 }, "base"), "Not known any more.");
  assert.equal(missingIn({ base: null, mine: null, theirs: 1 }, "mine"), "");
  assert.equal(missingIn({ mine: "a", theirs: "b" }, "base"), "Not asked for: add base to overlaps.");
});
