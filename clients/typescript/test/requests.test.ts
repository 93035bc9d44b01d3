/** Requests against a real server, over connections that break. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { Katha } from "../src/client";
import { isConflict, isFailure, isNotFound, isSuccess } from "../src/answers";
import { insist, pause, RequestError, Unserved } from "../src/waiting";
import { newChapter, read, SAVE, world } from "./server";

const here = world();
const save = (chapter: { id: string; version: string }, patch: object) => ({ id: chapter.id, patch, expect: { version: chapter.version } });

test("a lost request and a lost reply are sent again with one key: one effect", async () => {
  const katha = await here.as("asha");
  for (const fault of ["request", "reply", "refuse"] as const) {
    const chapter = await newChapter(katha, "a");
    const waits: Unserved[] = [];
    const before = here.proxy.faults;
    here.proxy.break(fault, 2);
    const answer = await katha.write(SAVE, save(chapter, { body: fault }), { onWait: (problem) => waits.push(problem) });
    assert.equal(here.proxy.faults - before, 2);
    assert.equal(waits.length, 2);
    assert.ok(isSuccess(answer));
    assert.equal(answer.applied, fault === "reply" ? "REPLAYED" : "WRITTEN");
    assert.equal((await read(katha, chapter.id)).version, answer.chapter.version);
    assert.notEqual(answer.chapter.version, chapter.version);
  }
});

test("a write that is sent again is still of who meant it", async () => {
  const { options } = await here.as("asha");
  const chapter = await newChapter(new Katha(options), "a");
  let token = options.token as string;
  const sent: (string | null)[] = [];
  const fetch: typeof globalThis.fetch = (url, init) => {
    sent.push(new Headers(init?.headers).get("Authorization"));
    return globalThis.fetch(url, init);
  };
  const rejected: string[] = [];
  const katha = new Katha({ ...options, fetch, token: () => token, onTokenRejected: () => rejected.push(token) });
  here.proxy.break("request", 2);
  const answer = await katha.write(SAVE, save(chapter, { body: "b" }), { onWait: () => (token = "of somebody else") });
  assert.deepEqual([answer.applied, new Set(sent), rejected], ["WRITTEN", new Set([`Bearer ${options.token}`]), []]);
});

test("variables that leave the key empty are sent with one", async () => {
  const katha = await here.as("asha");
  for (const key of [undefined, null]) {
    const chapter = await newChapter(katha, "a");
    here.proxy.break("reply");
    const sending = katha.write(SAVE, { ...save(chapter, { body: "b" }), key });
    await pause(200);
    here.proxy.break("pass");
    assert.equal((await sending).applied, "REPLAYED");
  }
});

test("an unknown outcome is asked for again with the key, and what was written is not written twice", async () => {
  const katha = await here.as("asha");
  const chapter = await newChapter(katha, "a");
  const refusal = { __typename: "BusyError", code: "OUTCOME_UNKNOWN", message: "", retry: { kind: "SAME_REQUEST", afterMs: 5 } };
  here.proxy.break({ answer: { data: { updateChapter: refusal } } }, 1);
  const codes: unknown[] = [];
  const answer = await katha.write(SAVE, save(chapter, { body: "b" }), { onWait: ({ code }) => codes.push(code) });
  assert.deepEqual([codes, answer.applied, answer.chapter.body], [["OUTCOME_UNKNOWN"], "REPLAYED", "b"]);
});

test("BUSY of the server is waited out, and given up by the clock", async () => {
  const katha = await here.as("asha");
  const chapter = await newChapter(katha, "a");
  const first = randomUUID();
  const waits: number[] = [];
  const onWait = ({ afterMs, code }: Unserved) => {
    assert.equal(code, "BUSY");
    waits.push(afterMs!);
  };
  // It waits for the save that it names, which comes later.
  const second = katha.write(SAVE, { id: chapter.id, patch: { body: "second" }, expect: { after: first } }, { onWait });
  while (!waits.length) await pause(5);
  await katha.write(SAVE, save(chapter, { body: "first" }), { key: first });
  assert.equal((await second).chapter.body, "second");
  const never = { id: chapter.id, patch: { body: "never" }, expect: { after: randomUUID() } };
  await assert.rejects(katha.write(SAVE, never, { patienceMs: 400 }), (problem) => problem instanceof Unserved && problem.code === "BUSY");
});

test("after a conflict nothing is sent again but what the caller has made of it", async () => {
  const katha = await here.as("asha");
  const chapter = await newChapter(katha, "a");
  await katha.write(SAVE, save(chapter, { body: "theirs" }));
  const conflict = await katha.write(SAVE, save(chapter, { body: "mine" }));
  assert.ok(isConflict(conflict) && isFailure(conflict));
  assert.equal((await read(katha, chapter.id)).body, "theirs");
  const asked: unknown[] = [];
  const answer = await katha.write(SAVE, save(chapter, { body: "mine" }), {
    rebase: ({ current, overlaps }: any, sent) => {
      asked.push(overlaps[0].theirs);
      return { ...sent, patch: { body: `${current.body} and mine` }, expect: { version: current.version } };
    },
  });
  assert.deepEqual([asked, answer.chapter.body], [["theirs"], "theirs and mine"]);
  const left = await katha.write(SAVE, save(chapter, { body: "mine" }), { rebase: () => null });
  assert.ok(isConflict(left));
});

test("a key that was used for something else is an answer, and so is what is gone", async () => {
  const katha = await here.as("asha");
  const chapter = await newChapter(katha, "a");
  const key = randomUUID();
  const { version } = (await katha.write(SAVE, save(chapter, { body: "b" }), { key })).chapter;
  const reused = await katha.write(SAVE, save({ ...chapter, version }, { body: "c" }), { key });
  assert.equal(reused.__typename, "KeyReusedError");
  const other = await here.as("bilal");
  assert.ok(isNotFound(await other.write(SAVE, save(chapter, { body: "d" }))));
});

test("errors of GraphQL are told at once, and a rejected token is", async () => {
  const katha = await here.as("asha");
  await assert.rejects(katha.query("{ nonsense }"), (problem) => problem instanceof RequestError && problem.code === "GRAPHQL_VALIDATION_FAILED");
  assert.throws(() => { throw new Unserved("x"); }, Error);
  await assert.rejects(katha.write("mutation { endSession { __typename } }", {}), TypeError);
  let rejected = 0;
  const nobody = await here.as("asha", { token: () => "nonsense", onTokenRejected: () => rejected++ });
  assert.equal((await nobody.query<any, any>("{ viewer { id } }")).viewer, null);
  assert.equal(rejected, 1);
});

test("it stops when the caller stops, in a wait and in a request", async () => {
  const katha = await here.as("asha");
  for (const fault of ["refuse", "silence"] as const) {
    here.proxy.break(fault);
    const end = new AbortController();
    const asked = katha.query("{ viewer { id } }", {}, { signal: end.signal });
    setTimeout(() => end.abort(new Error("left")), 60);
    await assert.rejects(asked, /left/);
    here.proxy.break("pass");
  }
});

test("an answer that does not come is not waited for longer than an attempt", async () => {
  const katha = await here.as("asha", { attemptMs: 100 });
  here.proxy.break("silence", 1);
  assert.equal((await katha.query<any, any>("{ viewer { handle } }")).viewer.handle, "asha");
});

test("time that the machine slept through is not counted", async (t) => {
  let now = 0;
  t.mock.method(performance, "now", () => now);
  let tries = 0;
  const answer = await insist(
    async () => {
      now += 3_600_000; // the machine sleeps for an hour in each attempt
      if (++tries < 3) throw new Unserved("", 1);
      return "awake";
    },
    { patienceMs: 1_000_000 },
  ).catch((problem) => problem);
  assert.equal(answer, "awake");
});

test("a clock that is set back makes nobody wait longer", async (t) => {
  let now = 1e12;
  t.mock.method(Date, "now", () => (now -= 60_000));
  let tries = 0;
  const attempt = async () => {
    if (++tries > 50) throw new Error("It goes on and on.");
    throw new Unserved("", 5);
  };
  await assert.rejects(insist(attempt, { patienceMs: 60 }), Unserved);
});

test("coming online ends a wait that nobody else has set", async () => {
  const target = new EventTarget();
  Object.assign(globalThis, { addEventListener: target.addEventListener.bind(target), removeEventListener: target.removeEventListener.bind(target) });
  setTimeout(() => target.dispatchEvent(new Event("online")), 10);
  await pause(3_600_000, undefined, true);
});
