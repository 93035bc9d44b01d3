/** @katha/client: the core, which needs no framework. */
export * from "./answers";
export * from "./client";
export * from "./live";
export * from "./toggle";
export { insist, newKey, RequestError, Unserved } from "./waiting";
export type { Insisting } from "./waiting";
/** The contract's own types, generated from it at build: `Schema.Chapter`, `Schema.UpdateChapterResult`, … */
export type * as Schema from "./schema";
