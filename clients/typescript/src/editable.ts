/** What can be edited, what an editor shows of it, and what it asks the server. */
import type { Refusal } from "./answers.js";
import type { Part } from "./merge.js";

/** What can be edited, with the fields of the form. */
export interface Editable {
  __typename: "Chapter" | "Story";
  id: string;
  version: string;
  title: string;
  /** Of a chapter. */
  body?: string;
  /** Of a story. */
  summary?: string;
}

/** The fields of a form by name. */
export type Values = Record<string, string>;

/** A field that both have changed. Of a chapter's body the parts are paragraphs; any other field is one collision. */
export interface Colliding {
  path: string;
  /** All of the field in order. Its text is `text` of each CLEAN part and the side that was chosen of each COLLISION. */
  parts: Part[];
}

/** What a dialogue shows. It is counted anew with every key that is pressed, and goes away if nothing collides any more. */
export interface Conflict {
  fields: Colliding[];
  /** The thing as it is now. */
  current: Editable;
  /** Who made the latest of the others' changes, where that may be known. */
  by: { id: string; handle: string; name: string } | null;
  /** When that was. */
  at: string | null;
  /** How many versions were not seen. */
  versionsBehind: number;
}

/**
 * `saved`: the server has all of it. `edited`: a save comes soon. `saving`: one is on its way. `offline`: nobody answers; it goes on
 * by itself. `conflict`: a person has to choose. `refused`: see `refusal`; the next change tries again. `gone`: it was deleted.
 */
export type Status = "saved" | "edited" | "saving" | "offline" | "conflict" | "refused" | "gone";

/** What an editor shows. A new object after every change. */
export interface EditingState {
  values: Values;
  status: Status;
  /** The version on which `values` are based. */
  version: string;
  conflict: Conflict | null;
  /** Why a save was refused, of `refused` and `gone`. */
  refusal: Refusal | null;
  /** Whether what is not saved would survive a reload. */
  isKept: boolean;
}

/** A save that has no answer yet: the very same is sent until it has one. */
export interface Pending {
  key: string;
  patch: Values;
  expect: { version: string } | { after: string };
  /** All values as they were then. */
  sent: Values;
}

/** What is kept of what is not saved. */
export interface Kept {
  base: Values;
  version: string;
  after: string | undefined;
  draft: Values;
  pending: Pending | undefined;
}

/** The fields of each form. */
export const FORMS = { Chapter: ["title", "body"], Story: ["title", "summary"] } as const;

/** The document that reads a thing. */
export const looking = (type: Editable["__typename"]): string =>
  `query Look($id: ID!) { thing: node(id: $id) { ...Form } }
${form(type)}`;

/** The document that saves one: merged with what others wrote, or a conflict. */
export const saving = (type: Editable["__typename"]): string => `mutation Save${type}($id: ID!, $patch: ${type}Patch!, $expect: Expect!, $key: UUID) {
  save: update${type}(id: $id, patch: $patch, expect: $expect, onConflict: MERGE, key: $key) {
    __typename
    ... on ${type}Success { applied thing: ${type.toLowerCase()} { ...Form } }
    ... on ConflictError { current { ...Form } versionsBehind by { id handle name } at }
    ... on InvalidError { fields { path code limit } }
    ... on NotFoundError { deletedAt }
    ... on Failure { code message retry { kind afterMs } }
  }
}
${form(type)}`;

const form = (type: Editable["__typename"]): string => `fragment Form on ${type} { __typename id version ${FORMS[type].join(" ")} }`;
