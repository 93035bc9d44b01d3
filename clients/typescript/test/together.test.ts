/** The page /together against a real server: the story that all who open it at the same moment find. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { open } from "../../together/story";
import { world } from "./server";

const here = world();
const READ = "query ($id: ID!) { story(id: $id) { version } }";
const DELETE = `mutation ($id: ID!, $expect: Expect!, $key: UUID) {
  deleteStory(id: $id, expect: $expect, key: $key) { __typename ... on Failure { code message } }
}`;

test("who opens it at the same moment finds the same story, also after it was deleted", async () => {
  const [owner, guest] = [await here.as("asha"), await here.as("bilal")];
  for (let round = 0; round < 2; round++) {
    const found = await Promise.all([owner, owner, guest, guest].map((person) => open(owner, person)));
    const [id, ...others] = new Set(found.map(({ story }) => story.id));
    assert.deepEqual(others, []);
    const { story } = await owner.query(READ, { id });
    const { __typename } = await owner.write(DELETE, { id, expect: { version: story.version } });
    assert.equal(__typename, "StoryDeleted");
  }
});
