/** A follow button against a real server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Katha } from "../src/client";
import { followToggle } from "../src/toggle";
import { world } from "./server";

const here = world();
const PERSON = "query ($handle: String!) { person(handle: $handle) { id relationship { id version following followedBy blocking } } }";
const personOf = async (katha: Katha, handle: string) => (await katha.query<any, any>(PERSON, { handle })).person;
const isFollowing = async (katha: Katha, handle: string) => (await personOf(katha, handle)).relationship.following;

/** A button of asha's for chitra, who is not followed. */
async function button() {
  const katha = await here.as("asha");
  const toggle = followToggle(katha, await personOf(katha, "chitra"));
  await toggle.set(false);
  assert.equal(toggle.state.problem, null);
  return { katha, toggle };
}

test("it shows at once what the person wants, and of many clicks the last counts", async () => {
  const { katha, toggle } = await button();
  const done = toggle.set(true);
  assert.deepEqual([toggle.state.on, toggle.state.isPending], [true, true]);
  await done;
  assert.deepEqual([toggle.state.on, toggle.state.isPending], [true, false]);
  assert.equal(await isFollowing(katha, "chitra"), true);
  for (let click = 0; click < 7; click++) void toggle.set(click % 2 === 1);
  await toggle.set(false);
  assert.deepEqual([toggle.state.on, await isFollowing(katha, "chitra")], [false, false]);
});

test("it goes back when nobody answers", async () => {
  const { toggle } = await button();
  toggle.katha.options.patienceMs = 50;
  here.proxy.break("refuse");
  await toggle.set(true);
  here.proxy.break("pass");
  assert.deepEqual([toggle.state.on, toggle.state.problem?.message !== undefined], [false, true]);
});

test("what another device has done already is taken over", async () => {
  const { katha, toggle } = await button();
  await followToggle(katha, await personOf(katha, "chitra")).set(true);
  await toggle.set(true);
  assert.deepEqual([toggle.state.on, toggle.state.problem, toggle.state.thing.following], [true, null, true]);
});

test("what others have changed beside it is looked at, and the wish is done on top of it", async () => {
  const { katha, toggle } = await button();
  const other = await here.as("chitra");
  const back = followToggle(other, await personOf(other, "asha"));
  const was = back.state.on;
  await back.set(!was);
  await toggle.set(true);
  assert.deepEqual([toggle.state.on, toggle.state.problem, await isFollowing(katha, "chitra")], [true, null, true]);
  await back.set(was);
});

test("what was undone elsewhere meanwhile is shown, and nothing is sent over it", async () => {
  const { katha, toggle } = await button();
  await toggle.set(true);
  const block = `mutation ($person: ID!, $expect: Expect!, $key: UUID) {
    answer: block(person: $person, expect: $expect, key: $key) { __typename ... on RelationshipSuccess { relationship { version } } } }`;
  const unblock = block.replace(": block", ": unblock");
  const person = (await personOf(katha, "chitra")).id;
  const { relationship } = await katha.write<any, any>(block, { person, expect: { current: true } });
  await toggle.set(false); // the block has done it
  assert.deepEqual([toggle.state.on, toggle.state.problem], [false, null]);
  await katha.write(unblock, { person, expect: { version: relationship.version } });
});
