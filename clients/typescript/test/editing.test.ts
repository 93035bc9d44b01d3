/** Editing against a real server, while others edit and connections break. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { memoryStorage } from "../src/editing";
import type { Editing } from "../src/editing";
import { Live } from "../src/live";
import { pause } from "../src/waiting";
import { edit, FAST, is, text, write } from "./editors";
import { newChapter, read, SAVE, until, world } from "./server";

const here = world();
const target = new EventTarget();
Object.assign(globalThis, { addEventListener: target.addEventListener.bind(target), removeEventListener: target.removeEventListener.bind(target) });

/** A fetch whose answers wait until they are let go. */
function gate() {
  const gated = { waiting: 0, most: 0, held: false, arrived: false, let: () => {}, fetch: globalThis.fetch };
  let opened = Promise.resolve();
  gated.fetch = async (...request) => {
    gated.most = Math.max(gated.most, ++gated.waiting);
    try {
      const response = await fetch(...request);
      if (gated.held) {
        opened = new Promise((done) => (gated.let = () => ((gated.held = false), done())));
        gated.arrived = true;
      }
      await opened;
      return response;
    } finally {
      gated.waiting--;
    }
  };
  return gated;
}

test("typing is saved by and by, one request at a time, and the last text stands", async () => {
  const gated = gate();
  const katha = await here.as("asha", { fetch: gated.fetch });
  const chapter = await newChapter(katha, "a");
  gated.most = 0;
  const editing = edit(katha, chapter, FAST);
  const seen = new Set<string>();
  editing.subscribe(() => seen.add(editing.state.status));
  for (let typed = 0; typed < 40; typed++) {
    editing.set({ body: `a ${typed}` });
    await pause(7);
  }
  await editing.flush();
  assert.equal(editing.state.status, "saved");
  assert.equal(gated.most, 1);
  assert.deepEqual([...seen].sort(), ["edited", "saved", "saving"]);
  const stored = await read(katha, chapter.id);
  assert.deepEqual([stored.body, stored.version], ["a 39", editing.state.version]);
});

test("others' paragraphs are merged under what was typed meanwhile", async () => {
  const gated = gate();
  const [katha, other] = [await here.as("asha", { fetch: gated.fetch }), await here.as("asha")];
  const chapter = await newChapter(other, text("one", "two", "three"));
  const editing = edit(katha, chapter, FAST);
  await write(other, chapter, text("one", "two", "THEIRS"));
  gated.held = true;
  editing.set({ body: text("MINE", "two", "three") });
  await until(() => gated.arrived, "it is written, and the answer is held");
  editing.set({ body: text("MINE", "MEANWHILE", "three") });
  await pause(30);
  gated.let();
  await is(editing, "saved");
  assert.equal(editing.state.values["body"], text("MINE", "MEANWHILE", "THEIRS"));
  assert.equal((await read(other, chapter.id)).body, text("MINE", "MEANWHILE", "THEIRS"));
});

test("what was typed meanwhile and collides with a merge that was not seen is a conflict, told by the server", async () => {
  const gated = gate();
  const [katha, other] = [await here.as("asha", { fetch: gated.fetch }), await here.as("asha")];
  const chapter = await newChapter(other, text("one", "two", "three"));
  const editing = edit(katha, chapter, FAST);
  await write(other, chapter, text("one", "two", "THEIRS"));
  gated.held = true;
  editing.set({ body: text("MINE", "two", "three") });
  await until(() => gated.arrived, "it is written, and the answer is held");
  editing.set({ body: text("MINE", "two", "OURS") });
  gated.let();
  await is(editing, "conflict");
  const { conflict, values } = editing.state;
  assert.equal(values["body"], text("MINE", "two", "OURS"));
  assert.deepEqual(conflict!.fields, [
    {
      path: "body",
      parts: [
        { kind: "CLEAN", text: text("MINE", "two", "") },
        { kind: "COLLISION", base: "three", mine: "OURS", theirs: "THEIRS" },
      ],
    },
  ]);
  assert.equal(conflict!.by?.handle, "asha");
  assert.ok(conflict!.at && conflict!.versionsBehind >= 1);
  await pause(50);
  assert.equal((await read(other, chapter.id)).body, text("MINE", "two", "THEIRS"), "nothing is sent before a person has chosen");
  await editing.resolve({ body: text("MINE", "two", "OURS AND THEIRS") });
  assert.equal(editing.state.status, "saved");
  assert.equal((await read(other, chapter.id)).body, text("MINE", "two", "OURS AND THEIRS"));
});

test("a conflict follows what is typed, and goes when nothing collides any more", async () => {
  const [katha, other] = [await here.as("asha"), await here.as("asha")];
  const chapter = await newChapter(other, text("one", "two"));
  const editing = edit(katha, chapter, FAST);
  await write(other, chapter, text("THEIRS", "two"));
  editing.set({ title: "Another", body: text("MINE", "two") });
  await is(editing, "conflict");
  editing.set({ body: text("MINE!", "TWO") });
  const [{ parts }] = editing.state.conflict!.fields as [any];
  assert.deepEqual(parts, [
    { kind: "COLLISION", base: "one", mine: "MINE!", theirs: "THEIRS" },
    { kind: "CLEAN", text: text("", "TWO") },
  ]);
  editing.set({ body: text("THEIRS", "TWO") });
  await is(editing, "saved");
  const stored = await read(other, chapter.id);
  assert.deepEqual([stored.title, stored.body], ["Another", text("THEIRS", "TWO")]);
});

test("what was typed into a text that was shown before is put into the one of now", async () => {
  const katha = await here.as("asha");
  const chapter = await newChapter(katha, text("one", "two"));
  const editing = edit(katha, chapter, FAST);
  const seen = editing.state;
  editing.set({ body: text("THEIRS", "two") });
  editing.set({ body: text("one", "MINE") }, seen);
  assert.equal(editing.state.values["body"], text("THEIRS", "MINE"));
  await is(editing, "saved");
});

test("whoever types into what the last event has shown takes nothing away", async () => {
  // Looking takes a while, in which people go on typing.
  const slow: typeof fetch = (url, init) => (String(init?.body).includes("query Look") ? pause(80).then(() => fetch(url, init)) : fetch(url, init));
  const [one, two] = [await here.as("asha", { fetch: slow }), await here.as("asha", { fetch: slow })];
  const chapter = await newChapter(one, text("A:", "B:"));
  const typed = ["", ""];
  const areas = [chapter.body, chapter.body];
  const editors = [one, two].map((katha, who) => {
    const editing = edit(katha, chapter, { ...FAST, live: new Live(katha, { pollMs: 30 }) });
    editing.subscribe(() => (areas[who] = editing.state.values["body"]!));
    return editing;
  });
  for (let round = 0; round < 80; round++) {
    editors.forEach((editing, who) => {
      typed[who] += ` ${round}`;
      const paragraphs = areas[who]!.split("\n\n");
      paragraphs[who] += ` ${round}`;
      areas[who] = paragraphs.join("\n\n");
      editing.set({ body: areas[who]! });
    });
    await pause(10);
  }
  await until(() => editors.every(({ state }) => state.status === "saved") && areas[0] === areas[1], "both have the same");
  assert.equal(areas[0], text(`A:${typed[0]}`, `B:${typed[1]}`));
});

test("a title that both have changed is one collision, and its blanks are left to who types", async () => {
  const [katha, other] = [await here.as("asha"), await here.as("asha")];
  const chapter = await newChapter(other, "one");
  const editing = edit(katha, chapter, FAST);
  editing.set({ title: "The " });
  await is(editing, "saved");
  assert.equal(editing.state.values["title"], "The ");
  assert.equal((await read(other, chapter.id)).title, "The");
  const { version } = await read(other, chapter.id);
  await other.write(SAVE, { id: chapter.id, patch: { title: "Theirs" }, expect: { version } });
  editing.set({ title: "The end" });
  await is(editing, "conflict");
  assert.deepEqual(editing.state.conflict!.fields, [
    { path: "title", parts: [{ kind: "COLLISION", base: "The", mine: "The end", theirs: "Theirs" }] },
  ]);
  await editing.resolve({ title: "Theirs" });
  assert.deepEqual([editing.state.status, editing.state.values["title"]], ["saved", "Theirs"]);
});

test("a lost reply is one effect, and nobody is asked", async () => {
  const katha = await here.as("asha");
  const chapter = await newChapter(katha, text("one", "two"));
  const editing = edit(katha, chapter, FAST);
  for (const fault of ["reply", "request", "refuse"] as const) {
    here.proxy.break(fault, 2);
    editing.set({ body: text("one", fault) });
    await until(() => editing.state.status === "offline", "it is noticed");
    await is(editing, "saved");
  }
  assert.equal((await read(katha, chapter.id)).version, String(Number(chapter.version) + 3));
});

test("after a sleep, coming online saves at once", async () => {
  const katha = await here.as("asha", { patienceMs: 1 });
  const chapter = await newChapter(katha, "one");
  const editing = edit(katha, chapter, FAST);
  here.proxy.break("refuse");
  editing.set({ body: "two" });
  await is(editing, "offline");
  here.proxy.break("pass");
  const start = Date.now();
  target.dispatchEvent(new Event("online"));
  await is(editing, "saved");
  assert.ok(Date.now() - start < 4_000, "the timer would have needed five seconds");
});

test("a key that was used for something else is not used again, and nothing is overwritten", async () => {
  const [katha, other] = [await here.as("asha"), await here.as("asha")];
  const chapter = await newChapter(katha, text("one", "two"));
  const key = randomUUID();
  await other.write(SAVE, { id: chapter.id, patch: { body: text("one", "THEIRS") }, expect: { version: chapter.version } }, { key });
  const storage = memoryStorage();
  const [base, draft] = [{ title: "One", body: chapter.body }, { title: "One", body: text("MINE", "two") }];
  const pending = { key, patch: { body: draft.body }, expect: { version: chapter.version }, sent: draft };
  await storage.set(`katha:someone:${chapter.id}:x`, JSON.stringify({ base, version: chapter.version, draft, pending }));
  const editing = edit(katha, chapter, { ...FAST, storage, scope: "someone" });
  await until(() => editing.state.values["body"] === text("MINE", "THEIRS"), "both are there");
  await is(editing, "saved");
  assert.equal((await read(other, chapter.id)).body, text("MINE", "THEIRS"));
});

test("what cannot be stored is refused, and the next change tries again", async () => {
  const katha = await here.as("asha");
  const chapter = await newChapter(katha, "one");
  const editing = edit(katha, chapter, FAST);
  editing.set({ body: " " });
  await is(editing, "refused");
  assert.equal(editing.state.refusal?.code, "INVALID");
  editing.set({ body: "two" });
  await is(editing, "saved");
  assert.equal(editing.state.refusal, null);
});

test("a chapter that was deleted is gone, and what was typed is still shown", async () => {
  const [katha, other] = [await here.as("asha"), await here.as("asha")];
  const chapter = await newChapter(other, "one");
  const editing = edit(katha, chapter, FAST);
  const document = `mutation ($id: ID!, $expect: Expect!, $key: UUID) {
    deleteChapter(id: $id, expect: $expect, key: $key) { __typename ... on Failure { retry { kind afterMs } } } }`;
  await other.write(document, { id: chapter.id, expect: { version: chapter.version } });
  editing.set({ body: "two" });
  await is(editing, "gone");
  assert.equal(editing.state.values["body"], "two");
  editing.set({ body: "three" });
  await pause(50);
  assert.equal(editing.state.status, "gone");
  editing.discard();
  assert.equal(editing.state.values["body"], "one");
});

test("a story's title and summary are edited in the same way", async () => {
  const katha = await here.as("asha");
  const { story } = await newChapter(katha, "one");
  const shown = async () =>
    (await katha.query<any, any>("query ($id: ID!) { story(id: $id) { __typename id version title summary } }", { id: story.id })).story;
  const editing = edit(katha, await shown(), FAST);
  editing.set({ summary: "What it is about." });
  await is(editing, "saved");
  assert.deepEqual([(await shown()).summary, (await shown()).version], ["What it is about.", editing.state.version]);
});

test("two who type at once, over a connection that breaks, have the same text in the end, with every word", async () => {
  const [one, two] = [await here.as("asha"), await here.as("asha")];
  const paragraphs = Array.from({ length: 6 }, (_, index) => `P${index}:`);
  const chapter = await newChapter(one, text(...paragraphs));
  const editors = [one, two].map((katha) => edit(katha, chapter, { ...FAST, live: new Live(katha, { pollMs: 60 }) }));
  const words: string[] = [];
  const faults = ["reply", "request", "refuse", "reply", "pass"] as const;
  for (let round = 0; round < 60; round++) {
    for (const [who, editing] of editors.entries()) {
      const word = `w${who}x${round}`;
      words.push(word);
      // Each writes into three paragraphs of their own, which stand between those of the other.
      const now = editing.state.values["body"]!.split("\n\n");
      now[who + 2 * (round % 3)] += ` ${word}`;
      editing.set({ body: now.join("\n\n") });
    }
    if (round % 6 === 0) here.proxy.break(faults[(round / 6) % faults.length]!, 2);
    await pause(15);
  }
  here.proxy.break("pass");
  const [mine, theirs] = editors as [Editing, Editing];
  await until(
    () => editors.every(({ state }) => state.status === "saved") && mine.state.values["body"] === theirs.state.values["body"],
    "both have the same",
  );
  const stored = await read(one, chapter.id);
  assert.equal(stored.body, mine.state.values["body"]);
  const found = stored.body.match(/w\dx\d+/g)!;
  assert.deepEqual(found.sort(), words.sort());
});
