/** @katha/client: the core, which needs no framework. */
export * from "./answers.js";
export * from "./client.js";
export * from "./live.js";
export * from "./toggle.js";
export { insist, newKey, RequestError, Unserved } from "./waiting.js";
export type { Insisting } from "./waiting.js";
/** The contract's own types, generated from it at build: `Schema.Chapter`, `Schema.UpdateChapterResult`, … */
export type * as Schema from "./schema.js";
