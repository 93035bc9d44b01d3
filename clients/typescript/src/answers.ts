/** Answers of mutations, and how to tell them apart. */

/** How to try a refused write again. */
export interface Retry {
  /** NEVER: it cannot help. SAME_REQUEST: the very same again, with its key. REBASE: look at `current` first. */
  kind: "NEVER" | "SAME_REQUEST" | "REBASE";
  /** How many milliseconds to wait before. */
  afterMs: number;
}

/** What every refusal has, if it was asked for. */
export interface Refusal {
  __typename?: string;
  code?: string;
  message?: string;
  retry?: Retry;
}

/** A member of a union whose name ends in Error: all refusals of Katha, and no success. */
type AnyError = { __typename?: `${string}Error` };

/** The member of the union `T` with this `__typename`. */
export type Named<T, Name extends string> = Extract<T, { __typename?: Name }>;

/** Whether the answer is of this type: `is(answer, "OutOfStockError")`. */
export const is = <T extends { __typename?: string }, Name extends NonNullable<T["__typename"]>>(
  answer: T,
  name: Name,
): answer is Named<T, Name> => answer.__typename === name;

/** Whether the write was refused. */
export const isFailure = <T extends { __typename?: string }>(answer: T): answer is Extract<T, AnyError> =>
  /Error$/.test(answer.__typename ?? "");

/** Whether the write happened, or was not needed. Every answer has to be asked for its `__typename`. */
export const isSuccess = <T extends { __typename?: string }>(answer: T): answer is Exclude<T, AnyError> =>
  !isFailure(answer);

/** Whether somebody else wrote first: look at `current`, and redo the change on top of it. */
export const isConflict = <T extends { __typename?: string }>(answer: T): answer is Named<T, "ConflictError"> =>
  answer.__typename === "ConflictError";

/** Whether there is no such thing, or not any more. */
export const isNotFound = <T extends { __typename?: string }>(answer: T): answer is Named<T, "NotFoundError"> =>
  answer.__typename === "NotFoundError";

/** Whether arguments do not make sense: `fields` says which. */
export const isInvalid = <T extends { __typename?: string }>(answer: T): answer is Named<T, "InvalidError"> =>
  answer.__typename === "InvalidError";
