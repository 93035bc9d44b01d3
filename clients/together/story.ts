/** The story that the page is about: found, or made, with everybody in it who shows on the page. */
import { isConflict } from "../typescript/src/index";
import type { Katha } from "../typescript/src/index";
import type { Editable } from "../typescript/src/editing";

const TITLE = "Two at one desk";
const BODY = [
  "The desk stood between two windows, and each of them had one.",
  "She wrote about the harbour. He wrote about the fog.",
  "Nobody had said whose story it was.",
].join("\n\n");

const STORY = "id version title coauthors { person { id } } chapters { __typename id version title body }";
const FIND = `query Find($text: String!) {
  viewer { id shelf { version } }
  stories(filter: { status: DRAFT, text: $text }, first: 20) { edges { node { ${STORY} } } }
}`;
const CREATE = `mutation Create($input: CreateStoryInput!, $expect: Expect!, $key: UUID) {
  createStory(input: $input, expect: $expect, key: $key) {
    __typename
    ... on StorySuccess { applied story { ${STORY} } }
    ... on ConflictError { current { version } }
    ... on Failure { code message retry { kind afterMs } }
  }
}`;
const INVITE = `mutation Invite($story: ID!, $person: ID!, $expect: Expect!, $key: UUID) {
  inviteCoauthor(story: $story, person: $person, expect: $expect, key: $key) {
    __typename
    ... on InvitationSuccess { applied invitation { id version } }
    ... on ConflictError { current { version } }
    ... on Failure { code message retry { kind afterMs } }
  }
}`;
const ACCEPT = `mutation Accept($id: ID!, $expect: Expect!, $key: UUID) {
  acceptInvitation(id: $id, expect: $expect, key: $key) {
    __typename
    ... on InvitationSuccess { applied }
    ... on ConflictError { current { version } }
    ... on Failure { code message retry { kind afterMs } }
  }
}`;
const INVITATIONS = "query Invitations { viewer { id invitations(first: 50) { edges { node { id version status story { id } } } } } }";
const PAGE = `query Open($id: ID!) { story(id: $id) { id title viewerRight chapters { __typename id version title body } } }`;

/** The writer of the story that a pane shows. */
export interface Opened {
  story: { id: string; title: string };
  chapter: Editable;
}

function succeeded(answer: any): any {
  if (answer.code) throw new Error(answer.message ?? answer.code);
  return answer;
}

/** The owner's story of this title; made if there is none. */
async function theStory(owner: Katha): Promise<any> {
  const { viewer, stories } = await owner.query<any, any>(FIND, { text: `"${TITLE}"` });
  const found = stories.edges.map(({ node }: any) => node).filter((story: any) => story.title === TITLE && story.chapters.length);
  if (found.length) return found.at(-1);
  const input = { title: TITLE, summary: "Open this page twice, and write.", chapters: [{ title: "The desk", body: BODY }] };
  const made = await owner.write(CREATE, { input, expect: { version: viewer.shelf.version } });
  // Who opened the page at the same moment was first: of all who saw this shelf one makes the story, and the others find it.
  return isConflict(made) ? theStory(owner) : succeeded(made).story;
}

/** Make `guest` a co-author, if it is somebody else and is none yet; false if something has changed since the story was read. */
async function join(owner: Katha, guest: Katha, story: any): Promise<boolean> {
  const { viewer } = await guest.query(INVITATIONS);
  const me = await owner.query("query Me { viewer { id } }");
  if (me.viewer.id === viewer.id || story.coauthors.some(({ person }: any) => person.id === viewer.id)) return true;
  let invitation = viewer.invitations.edges.map(({ node }: any) => node).find((one: any) => one.story.id === story.id && one.status === "PENDING");
  if (!invitation) {
    const invited = await owner.write(INVITE, { story: story.id, person: viewer.id, expect: { version: story.version } });
    if (isConflict(invited)) return false;
    ({ invitation } = succeeded(invited));
  }
  const accepted = await guest.write(ACCEPT, { id: invitation.id, expect: { version: invitation.version } });
  return !isConflict(accepted) && !!succeeded(accepted);
}

/** The story as this person finds it, who is made a co-author of it first. */
export async function open(owner: Katha, guest: Katha): Promise<Opened> {
  const found = await theStory(owner);
  if (!(await join(owner, guest, found))) return open(owner, guest); // others open it, too: look again
  const { story } = await guest.query(PAGE, { id: found.id });
  if (!story) throw new Error("This person cannot find the story: somebody has blocked somebody.");
  return { story, chapter: story.chapters[0] };
}
