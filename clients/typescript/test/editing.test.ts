/** Editing against a real server, while others edit and connections break. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach, test } from "node:test";
import { Katha } from "../src/client";
import { Editing, memoryStorage } from "../src/editing";
import type { EditingOptions, Status } from "../src/editing";
import { Live } from "../src/live";
import { pause } from "../src/waiting";
import { newChapter, read, SAVE, until, world } from "./server";
import type { Chapter } from "./server";

const here = world();
const target = new EventTarget();
Object.assign(globalThis, { addEventListener: target.addEventListener.bind(target), removeEventListener: target.removeEventListener.bind(target) });

const FAST: EditingOptions = { delayMs: 10, storage: null };
const is = (editing: Editing, status: Status) =>
  until(() => editing.state.status === status, `it is ${status}, not ${editing.state.status}`);
const open: Editing[] = [];
const edit = (...given: ConstructorParameters<typeof Editing>) => {
  open.push(new Editing(...given));
  return open.at(-1)!;
};
afterEach(() => {
  for (const editing of open.splice(0)) editing.close();
});
const text = (...paragraphs: string[]) => paragraphs.join("\n\n");

/** What another device writes, with the version of now. */
async function write(katha: Katha, { id }: Chapter, body: string): Promise<Chapter> {
  const { version } = await read(katha, id);
  return (await katha.write<any, any>(SAVE, { id, patch: { body }, expect: { version } })).chapter;
}

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

test("what was typed offline survives a reload, and so does a save whose reply was lost", async () => {
  const katha = await here.as("asha", { patienceMs: 300 });
  const chapter = await newChapter(katha, text("one", "two"));
  const storage = memoryStorage();
  const options = { ...FAST, storage };
  const first = edit(katha, chapter, options);
  here.proxy.break("reply");
  first.set({ body: text("ONE", "two") });
  await is(first, "offline");
  first.set({ body: text("ONE", "TWO") });
  await until(async () => (await storage.names("katha:")).length === 1, "it is kept");
  first.close();
  const second = edit(katha, chapter, options);
  await until(() => second.state.values["body"] === text("ONE", "TWO"), "it is back");
  await is(second, "offline");
  second.close();
  here.proxy.break("pass");
  const other = await here.as("asha");
  await until(async () => (await read(other, chapter.id)).body === text("ONE", "two"), "the first save was written");
  await write(other, chapter, text("ONE", "two", "THREE"));
  const third = edit(katha, await read(other, chapter.id), options);
  await until(() => third.state.status === "saved" && third.state.values["body"] === text("ONE", "TWO", "THREE"), "all is there");
  assert.equal((await read(other, chapter.id)).body, text("ONE", "TWO", "THREE"));
  await until(async () => (await storage.names("katha:")).length === 0, "nothing is left behind");
  assert.equal((await read(other, chapter.id)).version, String(Number(chapter.version) + 3), "each was written once");
});

/** A client whose token can be changed, with the tokens of the saves that it sends. */
async function signedIn(handle: string) {
  const { options } = await here.as(handle, { patienceMs: 100 });
  const now = { token: options.token as string };
  const saves: (string | null)[] = [];
  const fetch: typeof globalThis.fetch = (url, init) => {
    if (String(init?.body).includes("mutation Save")) saves.push(new Headers(init?.headers).get("Authorization"));
    return globalThis.fetch(url, init);
  };
  return { now, saves, katha: new Katha({ ...options, fetch, token: () => now.token }) };
}
const idOf = async (katha: Katha): Promise<string> => (await katha.query("{ viewer { id } }")).viewer.id;

test("what one person has left in a browser is neither shown nor sent by the next, and comes back for the first", async () => {
  const [asha, bilal] = [await signedIn("asha"), await signedIn("bilal")];
  const chapter = await newChapter(asha.katha, "one");
  const storage = memoryStorage();
  const first = edit(asha.katha, chapter, { ...FAST, storage });
  here.proxy.break("refuse");
  first.set({ body: "ASHA'S" });
  await is(first, "offline");
  first.close();
  here.proxy.break("pass");
  const second = edit(bilal.katha, chapter, { ...FAST, storage });
  await second.flush();
  assert.deepEqual([second.state.values["body"], bilal.saves], ["one", []]);
  second.close();
  const third = edit(asha.katha, chapter, { ...FAST, storage });
  await until(async () => (await read(asha.katha, chapter.id)).body === "ASHA'S", "it is saved");
  await is(third, "saved");
});

test("an open editor sends nothing as somebody else, and goes on when its person has signed in anew", async () => {
  const [asha, bilal] = [await signedIn("asha"), await signedIn("bilal")];
  const chapter = await newChapter(asha.katha, "one");
  const storage = memoryStorage();
  const editing = edit(asha.katha, chapter, { ...FAST, storage, scope: await idOf(asha.katha) });
  here.proxy.break("refuse");
  editing.set({ body: "two" });
  await is(editing, "offline");
  const before = asha.saves.length;
  asha.now.token = bilal.now.token;
  here.proxy.break("pass");
  await editing.flush();
  assert.deepEqual([editing.state.status, editing.state.refusal?.code, asha.saves.length], ["refused", "UNAUTHENTICATED", before]);
  assert.equal((await storage.names("katha:")).length, 1);
  asha.now.token = (await signedIn("asha")).now.token;
  editing.set({ body: "three" });
  await is(editing, "saved");
  assert.equal((await read(asha.katha, chapter.id)).body, "three");
});

test("a full storage is told at once, and keeps what it has", async () => {
  const katha = await here.as("asha", { patienceMs: 100 });
  const chapter = await newChapter(katha, "one");
  const kept = new Map<string, string>();
  const full = { ...memoryStorage(kept), set: () => assert.fail("QuotaExceededError") };
  const told = edit(katha, chapter, { delayMs: 100_000, storage: full });
  told.set({ body: "two" });
  await until(() => !told.state.isKept, "it is told before anything is sent");
  told.close();
  const first = edit(katha, chapter, { ...FAST, storage: memoryStorage(kept) });
  here.proxy.break("refuse");
  first.set({ body: "kept" });
  await is(first, "offline");
  first.close();
  const second = edit(katha, chapter, { ...FAST, storage: full });
  await until(() => second.state.values["body"] === "kept", "it is back");
  await is(second, "offline");
  assert.equal(kept.size, 1);
  second.close();
  here.proxy.break("pass");
  const third = edit(katha, chapter, { ...FAST, storage: memoryStorage(kept) });
  await until(async () => (await read(katha, chapter.id)).body === "kept", "it is saved");
  await is(third, "saved");
  assert.equal(kept.size, 0);
});

test("what is typed before a slow storage answers stands beside what it had kept", async () => {
  const katha = await here.as("asha", { patienceMs: 100 });
  const chapter = await newChapter(katha, text("one", "two"));
  const kept = new Map<string, string>();
  const first = edit(katha, chapter, { ...FAST, storage: memoryStorage(kept) });
  here.proxy.break("refuse");
  first.set({ body: text("KEPT", "two") });
  await is(first, "offline");
  first.close();
  here.proxy.break("pass");
  const slow = { ...memoryStorage(kept), get: (name: string) => pause(50).then(() => kept.get(name)) };
  const second = edit(katha, chapter, { ...FAST, storage: slow });
  second.set({ body: text("one", "TYPED") });
  await until(async () => (await read(katha, chapter.id)).body === text("KEPT", "TYPED"), "both are saved");
  await is(second, "saved");
  assert.equal(second.state.values["body"], text("KEPT", "TYPED"));
});

test("of two pages that open at once, one goes on from what was left", async () => {
  const asha = await signedIn("asha");
  const chapter = await newChapter(asha.katha, "one");
  const storage = memoryStorage();
  const first = edit(asha.katha, chapter, { ...FAST, storage });
  here.proxy.break("refuse");
  first.set({ body: "two" });
  await is(first, "offline");
  first.close();
  here.proxy.break("pass");
  asha.saves.length = 0;
  const held = new Set<string>();
  const request = async (name: string, _options: object, hold: (lock: object | null) => unknown) => {
    if (held.has(name)) return hold(null);
    held.add(name);
    return Promise.resolve(hold({ name })).finally(() => held.delete(name));
  };
  const locks = { request, query: async () => ({ held: [...held].map((name) => ({ name })) }) };
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
  try {
    const pages = [1, 2].map(() => edit(asha.katha, chapter, { ...FAST, storage }));
    await until(async () => (await read(asha.katha, chapter.id)).body === "two", "it is saved");
    await Promise.all(pages.map((page) => page.flush()));
    assert.equal(asha.saves.length, 1);
    assert.deepEqual(pages.map(({ state }) => state.values["body"]).sort(), ["one", "two"]);
  } finally {
    Object.defineProperty(globalThis, "navigator", before ?? { value: undefined, configurable: true });
  }
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
