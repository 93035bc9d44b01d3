/** What the app asks. One fragment for each thing that is written: what is asked with `version` is what it stands for. */
import type { Schema } from "@katha/client";

const RELATIONSHIP = "relationship { __typename id version following followedBy blocking }";
const CHAPTER = "__typename id version position title body";
const FAILURE = "... on Failure { code message retry { kind afterMs } }";

export type Relationship = Pick<Schema.Relationship, "id" | "version" | "following" | "followedBy" | "blocking">;
export type Author = Pick<Schema.Person, "id" | "handle" | "name"> & { relationship: Relationship | null };
export type Card = Pick<Schema.Story, "id" | "version" | "title" | "summary" | "viewCount"> & { author: Author };
export type Chapter = Pick<Schema.Chapter, "__typename" | "id" | "version" | "position" | "title" | "body">;
export type Edition = Pick<Schema.Edition, "id" | "version" | "title" | "priceCents" | "stock">;

export type Viewer = { viewer: Pick<Schema.Person, "id" | "handle" | "name"> | null };
export const VIEWER = "query Viewer { viewer { id handle name } }";

export type SignIn = { signIn: { __typename: string; token?: string; message?: string } };
export const SIGN_IN = `mutation SignIn($handle: String!, $password: String!) {
  signIn(handle: $handle, password: $password) {
    __typename
    ... on SignSuccess { token }
    ${FAILURE}
  }
}`;

export type Stories = { stories: { edges: { node: Card }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } } };
export const STORIES = `query Stories($after: String) {
  stories(first: 10, after: $after, orderBy: NEWEST) {
    edges { node { id version title summary viewCount author { id handle name ${RELATIONSHIP} } } }
    pageInfo { hasNextPage endCursor }
  }
}`;

export type Story = {
  story: (Card & { __typename: "Story"; chapters: Chapter[]; editions: { edges: { node: Edition }[] } }) | null;
};
export const STORY = `query Story($id: ID!) {
  story(id: $id) {
    __typename id version title summary viewCount
    author { id handle name ${RELATIONSHIP} }
    chapters { ${CHAPTER} }
    editions(first: 5) { edges { node { id version title priceCents stock } } }
  }
}`;

export type Own = { viewer: { stories: { edges: { node: Pick<Schema.Story, "id" | "title" | "status"> & { chapters: Chapter[] } }[] } } | null };
export const OWN = `query Own {
  viewer { id stories(first: 20) { edges { node { id title status chapters { ${CHAPTER} } } } } }
}`;

export type ChapterOf = { node: (Chapter & { story: { id: string; title: string } }) | null };
export const CHAPTER_OF = `query Edit($id: ID!) {
  node(id: $id) { ... on Chapter { ${CHAPTER} story { id title } } }
}`;

export type Read = { recordView: { __typename: string } };
/** A place that only moves on needs no version: the one that is further is right. */
export const READ = `mutation Read($story: ID!, $place: PlaceInput, $seen: Version, $key: UUID) {
  recordView(story: $story, place: $place, policy: FURTHEST, seen: $seen, key: $key) {
    __typename
    ${FAILURE}
  }
}`;

export type Order = { placeOrder: Schema.PlaceOrderResult };
export const ORDER = `mutation Order($lines: [OrderLineInput!]!, $key: UUID!) {
  placeOrder(lines: $lines, key: $key) {
    __typename
    ... on OrderSuccess { applied order { id version status totalCents } }
    ... on OutOfStockError { available }
    ${FAILURE}
  }
}`;
