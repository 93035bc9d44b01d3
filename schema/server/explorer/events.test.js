// What the page hears of a stream of events that comes in pieces.
import assert from "node:assert/strict";
import { test } from "node:test";
import { results } from "./static/explorer/events.js";

async function read(...pieces) {
  const bytes = pieces.map((piece) => (typeof piece === "string" ? new TextEncoder().encode(piece) : piece));
  const found = [];
  for await (const one of results(ReadableStream.from(bytes))) found.push(one);
  return found;
}

test("each result comes, whatever the pieces are, and comments do not", async () => {
  const all = ':\n\nevent: next\ndata: {"data":{"a":"é: 1"}}\n\n:\n\nevent: next\ndata: {"data":null}\n\nevent: complete\ndata: \n\n';
  const wanted = [{ data: { a: "é: 1" } }, { data: null }];
  assert.deepEqual(await read(all), wanted);
  const bytes = new TextEncoder().encode(all);
  assert.deepEqual(await read(...Array.from(bytes, (_, at) => bytes.slice(at, at + 1))), wanted);
});

test("what follows complete is not read, and a stream may end without it", async () => {
  assert.deepEqual(await read("event: complete\ndata: \n\nevent: next\ndata: 1\n\n"), []);
  assert.deepEqual(await read("event: next\ndata: 1\n\nevent: next\ndata: 2"), [1]);
});
