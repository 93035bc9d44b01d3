/** Editors for tests, closed after each. */
import { afterEach } from "node:test";
import type { Katha } from "../src/client";
import { Editing } from "../src/editing";
import type { EditingOptions, Status } from "../src/editing";
import { read, SAVE, until } from "./server";
import type { Chapter } from "./server";

export const FAST: EditingOptions = { delayMs: 10, storage: null };
export const is = (editing: Editing, status: Status) =>
  until(() => editing.state.status === status, `it is ${status}, not ${editing.state.status}`);
const open: Editing[] = [];
export const edit = (...given: ConstructorParameters<typeof Editing>) => {
  open.push(new Editing(...given));
  return open.at(-1)!;
};
afterEach(() => {
  for (const editing of open.splice(0)) editing.close();
});
export const text = (...paragraphs: string[]) => paragraphs.join("\n\n");

/** What another device writes, with the version of now. */
export async function write(katha: Katha, { id }: Chapter, body: string): Promise<Chapter> {
  const { version } = await read(katha, id);
  return (await katha.write<any, any>(SAVE, { id, patch: { body }, expect: { version } })).chapter;
}
