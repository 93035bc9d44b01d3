/** Things that live: from the real server, and the reader of streams against a server that says what a test wants. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { Katha } from "../src/client";
import { Live } from "../src/live";
import type { Change } from "../src/live";
import { streamed } from "../src/streamed";
import { RequestError, Unserved } from "../src/waiting";
import { newChapter, read, SAVE, until, world } from "./server";
import type { Chapter } from "./server";

const here = world();
let say: (response: ServerResponse, round: number, asked: any) => unknown;
let asked: any[] = [];
const fake = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  asked.push(JSON.parse(body));
  response.setHeader("Content-Type", "text/event-stream; charset=utf-8");
  say(response, asked.length, asked.at(-1));
});
let katha: Katha;
before(async () => {
  await new Promise<void>((done) => fake.listen(0, "127.0.0.1", done));
  katha = new Katha({ url: `http://127.0.0.1:${(fake.address() as AddressInfo).port}` });
});
after(() => void (fake.close(), fake.closeAllConnections()));

const event = (data: object) => `event: next\ndata: ${JSON.stringify({ data })}\n\n`;
const all = async (found: AsyncIterable<any>) => {
  const events = [];
  for await (const one of found) events.push(one);
  return events;
};

test("a stream is read across the borders of packets, with comments, until it is complete", async () => {
  const text = `: hello\n\n${event({ a: "क🪔" })}:\n\nevent: next\r\ndata: {"data":\r\ndata: {"b":1}}\r\n\r\nevent: complete\ndata:\n\n`;
  say = async (response) => {
    for (const byte of Buffer.from(text)) {
      response.write(Buffer.from([byte]));
      if (byte % 7 === 0) await new Promise((done) => setTimeout(done, 1));
    }
    response.end();
  };
  assert.deepEqual(await all(katha.stream("subscription { a }")), [{ a: "क🪔" }, { b: 1 }]);
});

test("a stream that is cut may be asked for again, and one that was refused says why", async () => {
  say = (response) => response.write(event({ a: 1 }), () => response.destroy());
  await assert.rejects(all(katha.stream("subscription { a }")), Unserved);
  say = (response) => response.end('event: next\ndata: {"errors":[{"message":"no","extensions":{"code":"FORBIDDEN"}}]}\n\nevent: complete\n\n');
  await assert.rejects(all(katha.stream("subscription { a }")), (problem) => problem instanceof RequestError && problem.code === "FORBIDDEN");
  say = (response) => response.writeHead(503, { "Content-Type": "application/json" }).end('{"errors":[{"message":"busy","extensions":{"code":"BUSY","retry":{"kind":"SAME_REQUEST","afterMs":7}}}]}');
  await assert.rejects(all(katha.stream("subscription { a }")), (problem) => problem instanceof Unserved && problem.afterMs === 7);
});

test("a subscription goes on after a cut, and ends when it is complete", async () => {
  asked = [];
  say = (response, round) => (round < 3 ? response.write(event({ round }), () => response.destroy()) : response.end("event: complete\n\n"));
  const heard: number[] = [];
  await new Promise<void>((complete, error) => streamed(katha, "subscription { round }", {}, { next: ({ data }) => heard.push(data.round), complete, error }));
  assert.deepEqual(heard, [1, 2]);
});

test("all that is watched shares one stream, which goes on from the versions that were told", async () => {
  asked = [];
  const open = new Set<ServerResponse>();
  say = (response, round, { query, variables }) => {
    if (query.startsWith("query")) return response.writeHead(503).end();
    open.add(response);
    response.on("close", () => open.delete(response));
    for (const { id } of variables.things) response.write(event({ changed: { id, version: `${round}`, thing: { id, version: `${round}` } } }));
  };
  const live = new Live(katha, { pollMs: 20 });
  const heard: Change[] = [];
  const stops = ["a", "b", "a"].map((id) => live.watch({ id, version: "0" }, (change) => heard.push(change)));
  await until(() => heard.length === 3, "all are told");
  assert.equal(asked.length, 1);
  assert.equal(live.mode, "stream");
  for (const response of open) response.destroy();
  await until(() => heard.length === 6, "it goes on");
  const things = asked.filter(({ query }) => query.startsWith("subscription")).map(({ variables }) => variables.things);
  assert.deepEqual(things[1], [{ id: "a", version: "1" }, { id: "b", version: "1" }]);
  for (const stop of stops) stop();
  await until(() => open.size === 0, "nobody listens");
  assert.equal(live.mode, "idle");
});

test("where there is no stream, it asks, and tells only what is new", async () => {
  const one = await here.as("asha");
  const chapter = await newChapter(one, "a");
  const stories = new Katha({ ...one.options, fetch: (url, init) => (String(init?.body).includes("subscription") ? Promise.reject(new TypeError("no streams here")) : fetch(url, init)) });
  const live = new Live(stories, { pollMs: 20 });
  const heard: (Change<Chapter>)[] = [];
  const stop = live.watch<Chapter>(chapter, (change) => heard.push(change));
  await until(() => live.mode === "polling", "it asks");
  await one.write(SAVE, { id: chapter.id, patch: { body: "b" }, expect: { version: chapter.version } });
  await until(() => heard.length, "it is told");
  assert.equal(heard[0]!.thing?.body, "b");
  assert.equal(heard[0]!.version, (await read(one, chapter.id)).version);
  const document = `mutation ($id: ID!, $expect: Expect!, $key: UUID) {
    deleteChapter(id: $id, expect: $expect, key: $key) { __typename ... on Failure { retry { kind afterMs } } } }`;
  await one.write(document, { id: chapter.id, expect: { version: heard[0]!.version } });
  await until(() => heard.length > 1, "it is gone");
  assert.deepEqual(heard[1], { id: chapter.id, version: null, thing: null });
  stop();
});

test("the real server tells of a change by a stream, and again after the connection was cut", async () => {
  const one = await here.as("asha");
  const chapter = await newChapter(one, "a");
  const live = new Live(one, { pollMs: 600_000 });
  const heard: Change<Chapter>[] = [];
  const stop = live.watch<Chapter>({ id: chapter.id }, (change) => heard.push(change));
  await until(() => heard.length, "the first is told at once");
  assert.equal(live.mode, "stream");
  const other = new Katha({ ...one.options, url: `${here.url}/graphql` });
  let { version } = chapter;
  for (const body of ["b", "c"]) {
    version = (await other.write<any, any>(SAVE, { id: chapter.id, patch: { body }, expect: { version } })).chapter.version;
    await until(() => heard.at(-1)!.version === version, "the change is told");
    assert.equal(heard.at(-1)!.thing!.body, body);
    here.proxy.cut();
  }
  stop();
});

test("who has a story open is told, and goes some moments after they vanished", async () => {
  const [asha, bilal] = [await here.as("asha"), await here.as("bilal", { headers: { "X-Forwarded-For": "192.0.2.1" } })];
  const { stories } = await asha.query<any, any>("{ stories(first: 1) { edges { node { id chapters { id } } } } }");
  const [{ node: story }] = stories.edges;
  let seen: string[] = [];
  const moments: string[][] = [];
  const stop = new Live(asha).presence({ story: story.id }, (people) => moments.push((seen = people.map(({ person }) => person.handle).sort())));
  await until(() => seen.join() === "asha", "one is there");
  const leave = new Live(bilal).presence({ story: story.id, chapter: story.chapters[0].id }, () => {});
  await until(() => seen.join() === "asha,bilal", "two are there");
  // As behind a proxy, where the server ends the stream and waits for it to be asked for again: longer than such a lease.
  moments.length = 0;
  await new Promise((done) => setTimeout(done, 12_000));
  assert.deepEqual(moments.filter((handles) => handles.join() !== "asha,bilal"), [], "nobody was away");
  leave();
  const start = Date.now();
  await until(() => seen.join() === "asha", "one has gone");
  assert.ok(Date.now() - start < 30_000);
  stop();
});
