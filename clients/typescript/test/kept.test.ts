/** What an editor keeps of unsaved text: over a reload, for one person, in one page, and with no room left. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Katha } from "../src/client";
import { memoryStorage } from "../src/editing";
import { pause } from "../src/waiting";
import { edit, FAST, is, text, write } from "./editors";
import { newChapter, read, until, world } from "./server";

const here = world();

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
