/** @katha/client/react: hooks. */
import { createContext, createElement, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { ReactNode } from "react";
import type { Document, Katha } from "./client.js";
import { Editing } from "./editing.js";
import type { Editable, EditingOptions, EditingState } from "./editing.js";
import { Live } from "./live.js";
import type { Mode, Present } from "./live.js";
import { followToggle, Toggle } from "./toggle.js";
import type { Following, ToggleState } from "./toggle.js";

const Context = createContext<Live | null>(null);
const never = () => () => {};

/** Makes a client known to the hooks below it. Give a `live` to say what is asked of things that live, and how often. */
export function KathaProvider({ katha, live, children }: { katha: Katha; live?: Live; children?: ReactNode }): ReactNode {
  const value = useMemo(() => live ?? new Live(katha), [katha, live]);
  return createElement(Context.Provider, { value }, children);
}

/** What watches things, for the client of the provider above. */
export function useLiveness(): Live {
  const live = useContext(Context);
  if (!live) throw new Error("There is no KathaProvider above.");
  return live;
}

/** The client of the provider above. */
export const useKatha = (): Katha => useLiveness().katha;

/** What a query brought. */
export interface Asked<Data> {
  data: Data | undefined;
  error: Error | undefined;
  isLoading: boolean;
  /** Ask again; the data of before stay meanwhile. */
  reload: () => void;
}

/** Ask when the component is shown, and again when the variables change. */
export function useQuery<Data = any, Variables = any>(document: Document<Data, Variables>, variables?: Variables): Asked<Data> {
  const katha = useKatha();
  const [round, setRound] = useState(0);
  const asked = JSON.stringify([`${document}`, variables]);
  const nothing = { katha, asked, data: undefined, error: undefined, isLoading: true };
  const [found, setFound] = useState<Omit<Asked<Data>, "reload"> & { katha: Katha; asked: string }>(nothing);
  // What was found for other variables, or for somebody else, is not the answer to this.
  const now = found.katha === katha && found.asked === asked ? found : nothing;
  useEffect(() => {
    const end = new AbortController();
    setFound({ ...now, isLoading: true });
    katha.query(document, variables, { signal: end.signal }).then(
      (data) => end.signal.aborted || setFound({ katha, asked, data, error: undefined, isLoading: false }),
      (error) => end.signal.aborted || setFound((before) => ({ ...before, error, isLoading: false })),
    );
    return () => end.abort();
  }, [katha, asked, round]);
  const { data, error, isLoading } = now;
  return { data, error, isLoading, reload: () => setRound((before) => before + 1) };
}

/** The thing as it is now: what was loaded, with every change since. Null once it is gone or hidden. */
export function useLive<Thing extends { id: string; version: string }>(thing: Thing): Thing | null {
  const live = useLiveness();
  const [changed, setChanged] = useState<{ of: Thing; now: Thing | null }>({ of: thing, now: thing });
  useEffect(
    () => live.watch<Partial<Thing>>(thing, (change) => setChanged(({ now }) => ({ of: thing, now: change.thing && { ...(now ?? thing), ...change.thing } }))),
    [live, thing.id, thing.version],
  );
  return changed.of.id === thing.id && changed.of.version === thing.version ? changed.now : thing;
}

/** How changes come at present, to be shown. */
export function useMode(): Mode {
  const live = useLiveness();
  return useSyncExternalStore(live.subscribe, () => live.mode, () => live.mode);
}

/** Who has the story open; this component says that the viewer has. */
export function usePresence(story: string, chapter?: string | null): Present[] {
  const live = useLiveness();
  const [people, setPeople] = useState<Present[]>([]);
  useEffect(() => live.presence({ story, chapter: chapter ?? null }, setPeople), [live, story, chapter]);
  return people;
}

/**
 * Edit a chapter or a story: its state, and the `Editing` to call. Others' changes come in as they happen. Both are null until there
 * is a thing. What is not saved when the component goes is saved then, or stays in the storage.
 */
export function useEditing(thing: Editable | null, options: EditingOptions = {}): [EditingState, Editing] | [null, null] {
  const live = useLiveness();
  const [editing, setEditing] = useState<Editing | null>(null);
  const given = useRef(options);
  given.current = options;
  useEffect(() => {
    if (!thing) return setEditing(null);
    const one = new Editing(live.katha, thing, { live, ...given.current });
    setEditing(one);
    return () => void one.flush().then(() => one.close());
  }, [live, thing?.id, options.scope]);
  const state = useSyncExternalStore(editing?.subscribe ?? never, () => editing?.state ?? null, () => null);
  return editing && state && editing.id === thing?.id ? [state, editing] : [null, null];
}

/** A switch, such as `new Toggle(…)` made for this thing: its state, and what switches it. */
export function useToggle<Thing extends { id: string; version: string }>(
  make: (katha: Katha) => Toggle<Thing>,
  thing: Thing,
): [ToggleState<Thing>, (on: boolean) => Promise<void>] {
  const katha = useKatha();
  const toggle = useMemo(() => make(katha), [katha, thing.id]);
  useEffect(() => toggle.receive(thing), [toggle, thing.version]);
  const state = useSyncExternalStore(toggle.subscribe, () => toggle.state, () => toggle.state);
  return [state, (on) => toggle.set(on)];
}

/** A follow button: at once as the person wants it, and back if it cannot be. */
export const useFollow = <Thing extends Following>(person: { id: string; relationship: Thing }) =>
  useToggle((katha) => followToggle(katha, person), person.relationship);
