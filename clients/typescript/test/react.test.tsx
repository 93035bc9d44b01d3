/** The hooks in a document of their own, against the real server. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Window } from "happy-dom";
import { StrictMode, useState } from "react";
import type { ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { Live } from "../src/live";
import { KathaProvider, useEditing, useFollow, useLive, useMode, useQuery } from "../src/react";
import type { Editing } from "../src/editing";
import { newChapter, read, SAVE, until, world } from "./server";
import type { Chapter } from "./server";

const here = world();
const window = new Window();
Object.assign(globalThis, { window, document: window.document });
after(() => window.close());

/** A page with these components on it: how to look at its text, and how to leave it. */
function shown(katha: any, children: ReactNode) {
  const place = document.createElement("div");
  const root = createRoot(place);
  const live = new Live(katha, { pollMs: 30 });
  root.render(<StrictMode><KathaProvider katha={katha} live={live}>{children}</KathaProvider></StrictMode>);
  const has = (text: string) => until(() => place.textContent!.includes(text), `${text} is shown, not ${place.textContent}`);
  return { place, has, leave: () => root.unmount() };
}

test("a chapter is edited, and shown as it is elsewhere", async () => {
  const katha = await here.as("asha");
  const chapter = await newChapter(katha, "one\n\ntwo");
  let editing: Editing;
  const Form = () => {
    const [state, found] = useEditing(chapter, { delayMs: 10, storage: null });
    if (!state) return <p>Loading</p>;
    editing = found;
    return <p>{state.status}: {state.values["body"]}</p>;
  };
  const Reader = () => <p>Read: {useLive<Chapter>(chapter)?.body} {useMode()}</p>;
  const page = shown(katha, [<Form key="1" />, <Reader key="2" />]);
  await page.has("saved: one");
  editing!.set({ body: "ONE\n\ntwo" });
  await page.has("saved: ONE");
  await page.has("Read: ONE");
  const { version } = await read(katha, chapter.id);
  await katha.write(SAVE, { id: chapter.id, patch: { body: "ONE\n\nTWO" }, expect: { version } });
  await page.has("saved: ONE\n\nTWO");
  editing!.set({ body: "ONE\n\nTWO\n\nlast" });
  page.leave();
  await until(async () => (await read(katha, chapter.id)).body.endsWith("last"), "what was typed last is saved");
});

test("a person is asked for and followed", async () => {
  const katha = await here.as("bilal");
  const document = "query ($handle: String!) { person(handle: $handle) { id name relationship { id version following } } }";
  const Button = ({ person }: any) => {
    const [{ on, problem }, set] = useFollow<any>(person);
    return <button onClick={() => set(!on)}>{on ? "Following" : "Not following"} {problem?.message}</button>;
  };
  const Person = () => {
    const { data, isLoading } = useQuery(document, { handle: "dev" });
    return isLoading && !data ? <p>Loading</p> : <Button person={data.person} />;
  };
  const page = shown(katha, <Person />);
  await until(() => page.place.querySelector("button"), "there is a button");
  const before = page.place.textContent!.trim();
  (page.place.querySelector("button") as any).click();
  await page.has(before === "Following" ? "Not following" : "Following");
  const { person } = await katha.query<any, any>(document, { handle: "dev" });
  await until(async () => (await katha.query<any, any>(document, { handle: "dev" })).person.relationship.following === (before !== "Following"), "it is so");
  assert.ok(person);
  page.leave();
});

test("what was asked for other variables is not shown as the answer to these", async () => {
  const katha = await here.as("bilal");
  const document = "query ($handle: String!) { person(handle: $handle) { handle } }";
  const seen: string[] = [];
  let look: (handle: string) => void;
  const Person = () => {
    const [handle, setHandle] = useState("dev");
    look = setHandle;
    const { data } = useQuery<{ person: { handle: string } }>(document, { handle });
    seen.push(`${handle}: ${data?.person.handle}`);
    return <p>{data?.person.handle}</p>;
  };
  const page = shown(katha, <Person />);
  await page.has("dev");
  look!("chitra");
  await page.has("chitra");
  page.leave();
  assert.deepEqual([...new Set(seen)], ["dev: undefined", "dev: dev", "chitra: undefined", "chitra: chitra"]);
});
