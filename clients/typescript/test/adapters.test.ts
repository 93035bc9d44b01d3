/** Apollo Client and urql with the real server behind a connection that breaks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { Client, fetchExchange } from "@urql/core";
import { kathaLink } from "../src/apollo";
import type { Katha } from "../src/client";
import { kathaExchange } from "../src/urql";
import type { Unserved } from "../src/waiting";
import { newChapter, read, SAVE, world } from "./server";

const here = world();
const headersOf = ({ options: { token } }: Katha) => ({ authorization: `Bearer ${token}` });
const variablesOf = ({ id, version }: { id: string; version: string }, body: string) => ({ id, patch: { body }, expect: { version } });

test("Apollo's mutations have keys, and are sent again until they are served", async () => {
  const katha = await here.as("asha");
  const chapter = await newChapter(katha, "a");
  const link = ApolloLink.from([kathaLink(), new HttpLink({ uri: here.proxy.url, headers: headersOf(katha) })]);
  const cache = new InMemoryCache({ possibleTypes: { Versioned: ["Chapter"], Failure: ["ConflictError", "BusyError"] } });
  const client = new ApolloClient({ link, cache });
  here.proxy.break("reply", 2);
  const { data } = await client.mutate<any>({ mutation: gql(SAVE), variables: variablesOf(chapter, "b") });
  assert.deepEqual([data.updateChapter.applied, data.updateChapter.chapter.body], ["REPLAYED", "b"]);
  here.proxy.break("reply", 1);
  const unkeyed = { ...variablesOf(data.updateChapter.chapter, "b2"), key: null };
  assert.equal((await client.mutate<any>({ mutation: gql(SAVE), variables: unkeyed })).data.updateChapter.applied, "REPLAYED");
  const conflict = await client.mutate<any>({ mutation: gql(SAVE), variables: variablesOf(chapter, "c") });
  assert.equal(conflict.data.updateChapter.__typename, "ConflictError");
  assert.equal((cache.extract()[`Chapter:${chapter.id}`] as any).body, "b2");
  here.proxy.break("refuse", 2);
  const asked = await client.query<any>({ query: gql("{ viewer { id handle } }") });
  assert.equal(asked.data.viewer.handle, "asha");
  await assert.rejects(client.query({ query: gql("{ nonsense }") }), /nonsense/);
});

test("urql's mutations have keys, and are sent again until they are served", async () => {
  const katha = await here.as("asha");
  const chapter = await newChapter(katha, "a");
  const client = new Client({
    url: here.proxy.url,
    exchanges: [kathaExchange({ patienceMs: 2_000 }), fetchExchange],
    fetchOptions: { headers: headersOf(katha) },
    preferGetMethod: false,
  });
  here.proxy.break("reply", 2);
  const written = await client.mutation(SAVE, variablesOf(chapter, "b"));
  assert.deepEqual([written.error, written.data.updateChapter.applied], [undefined, "REPLAYED"]);
  assert.equal((await read(katha, chapter.id)).body, "b");
  const conflict = await client.mutation(SAVE, variablesOf(chapter, "c"));
  assert.equal(conflict.data.updateChapter.__typename, "ConflictError");
  here.proxy.break("refuse");
  const lost = await client.mutation(SAVE, variablesOf(chapter, "c"));
  assert.ok(lost.error?.networkError);
  here.proxy.break("pass");
  assert.equal((await client.query("{ viewer { handle } }", {})).data.viewer.handle, "asha");
});

test("urql answers each of two mutations that ask for the same at once", async () => {
  const katha = await here.as("asha");
  const chapter = await newChapter(katha, "a");
  const client = new Client({
    url: here.proxy.url,
    exchanges: [kathaExchange(), fetchExchange],
    fetchOptions: { headers: headersOf(katha) },
    preferGetMethod: false,
  });
  const both = await Promise.all([1, 2].map(() => client.mutation(SAVE, variablesOf(chapter, "b")).toPromise()));
  assert.deepEqual(both.map(({ data }) => data.updateChapter.__typename).sort(), ["ChapterSuccess", "ConflictError"]);
});

/** A fetch that meets a proxy's page, then a reply that is cut but looks whole, and then nothing. */
function mishaps() {
  const keys: string[] = [];
  const mishap: typeof fetch = async (url, init) => {
    keys.push(JSON.parse(String(init?.body)).variables.key);
    if (keys.length === 1) return new Response("<h1>Busy</h1>", { status: 503, headers: { "Retry-After": "1", "Content-Type": "text/html" } });
    const response = await fetch(url, init);
    return keys.length === 2 ? new Response((await response.text()).slice(0, 20), { headers: { "Content-Type": "application/json" } }) : response;
  };
  return { keys, fetch: mishap };
}

test("both wait as long as a proxy's page says, and ask again for a reply that was cut in its midst", async () => {
  const katha = await here.as("asha");
  for (const name of ["Apollo", "urql"]) {
    const { keys, fetch } = mishaps();
    const waits: (number | undefined)[] = [];
    const onWait = ({ afterMs }: Unserved) => waits.push(afterMs);
    const variables = variablesOf(await newChapter(katha, "a"), "b");
    const reach = { headers: headersOf(katha), fetch };
    const link = ApolloLink.from([kathaLink({ onWait }), new HttpLink({ uri: here.proxy.url, ...reach })]);
    const apollo = new ApolloClient({ link, cache: new InMemoryCache() });
    const exchanges = [kathaExchange({ onWait }), fetchExchange];
    const urql = new Client({ url: here.proxy.url, exchanges, fetch, fetchOptions: { headers: headersOf(katha) }, preferGetMethod: false });
    const { data } = await (name === "urql" ? urql.mutation(SAVE, variables) : apollo.mutate<any>({ mutation: gql(SAVE), variables }));
    assert.deepEqual([data.updateChapter.applied, waits, new Set(keys).size, keys.length], ["REPLAYED", [1_000, undefined], 1, 3], name);
  }
});
