// What the page remembers, and what it makes of placeholders.
import assert from "node:assert/strict";
import test from "node:test";

import { Memory, toPlayFirst, Untold } from "./static/explorer/memory.js";

const filled = (memory, value) => memory.fill({ value }).variables.value;

test("a placeholder is the last value told under that name", () => {
  const memory = new Memory();
  memory.learn({ viewer: { id: "a", version: "1" } });
  memory.learn({ viewer: { version: "2" } });
  assert.equal(filled(memory, "<viewer.version>"), "2");
  assert.equal(filled(memory, "<viewer.id>"), "a");
});

test("the alias decides: a success that is called person leaves viewer as it was", () => {
  const memory = new Memory();
  memory.learn({ viewer: { version: "1" } });
  memory.learn({ updateProfile: { __typename: "ProfileSuccess", person: { __typename: "Person", version: "2" } } });
  assert.equal(filled(memory, "<viewer.version>"), "1");
  assert.equal(filled(memory, "<person.version>"), "2");
});

test("a conflict tells the version of its kind, so that the same Play again is the retry", () => {
  const memory = new Memory();
  memory.learn({ follow: { __typename: "ConflictError", current: { __typename: "Relationship", version: "7" } } });
  assert.equal(filled(memory, "<relationship.version>"), "7");
  assert.equal(filled(memory, "<current.version>"), "7");
});

test("of a list, the first counts", () => {
  const memory = new Memory();
  memory.learn({ stories: { edges: [{ toRead: { id: "new" } }, { toRead: { id: "old" } }] } });
  assert.equal(filled(memory, "<toRead.id>"), "new");
});

test("a missing value teaches nothing", () => {
  const memory = new Memory();
  memory.learn({ viewer: { id: "a", bio: null } });
  memory.learn({ viewer: null });
  memory.learn(undefined);
  assert.equal(filled(memory, "<viewer.id>"), "a");
  assert.throws(() => filled(memory, "<viewer.bio>"), /<viewer.bio>/);
});

test("placeholders are found deep down and inside a text; everything else stays as it is", () => {
  const memory = new Memory();
  memory.learn({ story: { id: "s" } });
  const { variables, used } = memory.fill({ a: [{ b: "to <story.id>!" }], n: 1, no: null, yes: true, text: "1 < 2 > 1" });
  assert.deepEqual(variables, { a: [{ b: "to s!" }], n: 1, no: null, yes: true, text: "1 < 2 > 1" });
  assert.deepEqual(used, { "story.id": "s" });
});

test("a fresh key is one UUID for one request, and another for the next", () => {
  const memory = new Memory();
  const { variables } = memory.fill({ one: "<fresh.key>", two: "<fresh.key>" });
  assert.match(variables.one, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(variables.one, variables.two);
  assert.notEqual(filled(memory, "<fresh.key>"), variables.one);
});

test("what was told to one person is forgotten for the next", () => {
  const memory = new Memory();
  memory.learn({ viewer: { id: "a" } });
  memory.forget();
  assert.throws(() => filled(memory, "<viewer.id>"), /No answer has told <viewer.id> yet/);
});

const TABS = [
  { query: "# chapter { id }\nquery Welcome { viewer { id } firstChapter: chapters { id } }", variables: "" },
  { query: "mutation Conflict { a { saved: chapter { id } current { id ... on Chapter { title } } } }", variables: '{"id": "<chapters.id>"}' },
  { query: "mutation Retry { a { chapters: chapter { id version } } }", variables: '{"id": "<chapter.id>"}' },
  { query: "mutation CreateStory { a { story { id chapters { id version body } } } }", variables: '{"shelf": "<shelf.id>"}' },
];
const first = (placeholder, memory) => toPlayFirst(new Untold(placeholder), TABS, memory);

test("what to play first is a document that tells the value, under its own name, and that can be played", () => {
  const memory = new Memory();
  assert.equal(first("<chapters.id>", memory), undefined);
  memory.learn({ shelf: { id: "s" } });
  assert.equal(first("<chapters.id>", memory), "CreateStory");
  assert.equal(first("<story.id>", memory), "CreateStory");
  assert.equal(first("<chapter.id>", memory), undefined);
  memory.learn({ chapters: { id: "c" } });
  assert.equal(first("<chapter.id>", memory), "Conflict");
  assert.equal(first("<nobody.knows>", memory), undefined);
});
