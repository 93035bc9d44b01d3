/** Things that live: one stream for all that is shown, and polling where there is none. */
import type { Katha } from "./client.js";
import { pause, RequestError, spread } from "./waiting.js";
import type { Unserved } from "./waiting.js";

/** A thing is at a version that was not seen yet. Null where it is gone or hidden: the two look alike. */
export interface Change<Thing = any> {
  id: string;
  version: string | null;
  thing: Thing | null;
}

/** Somebody who has the story open. */
export interface Present {
  person: { id: string; handle: string; name: string };
  chapter: { id: string } | null;
  since: string;
}

/** How changes come at present. */
export type Mode = "idle" | "stream" | "polling";

/** Of `new Live`. */
export interface LiveOptions {
  /** What is asked for of each thing beside `__typename id version`: fragments such as `... on Story { title }`. */
  fields?: string;
  /** How often to ask where there is no stream, in milliseconds; 5 000. */
  pollMs?: number;
}

type Listener = (change: Change) => void;
interface Watched {
  version: string | null | undefined;
  listeners: Set<Listener>;
}

const FIELDS = "... on Story { title summary status } ... on Chapter { position title body } ... on Relationship { following followedBy blocking }";
const GATHER_MS = 20; // many things that are shown at once become one stream
const TRIES = 3; // after so many failures in a row a stream is tried only now and then
const SELDOM = 10;
const FIRST_PAUSE_MS = 100;

/**
 * Do it while the page can be seen. Over HTTP/1.1 a browser has six connections to a server for all of its tabs, and hidden ones
 * would keep them.
 */
async function whileShown(signal: AbortSignal, act: (shown: AbortSignal) => Promise<void>): Promise<void> {
  const page = globalThis.document;
  const hidden = new AbortController();
  let changed: (() => void) | undefined;
  const look = () => {
    if (page?.hidden) hidden.abort();
    changed?.();
  };
  page?.addEventListener("visibilitychange", look);
  signal.addEventListener("abort", look);
  try {
    while (page?.hidden && !signal.aborted) await new Promise<void>((done) => (changed = done));
    signal.throwIfAborted();
    await act(AbortSignal.any([signal, hidden.signal]));
  } finally {
    page?.removeEventListener("visibilitychange", look);
    signal.removeEventListener("abort", look);
  }
}

/** Watches things for one client. Browsers open few connections to a server, so all share one stream. */
export class Live {
  /** How changes come at present. */
  mode: Mode = "idle";
  #things = new Map<string, Watched>();
  #running: AbortController | undefined;
  #listeners = new Set<() => void>();

  constructor(
    readonly katha: Katha,
    readonly options: LiveOptions = {},
  ) {}

  /** Call `listener` at once if the thing is not at `version`, then after every change, with its latest state. Returns what ends it. */
  watch<Thing = any>(seen: { id: string; version?: string | null }, listener: (change: Change<Thing>) => void): () => void {
    const thing: Watched = this.#things.get(seen.id) ?? { version: seen.version, listeners: new Set() };
    const isNew = !thing.listeners.size || thing.version !== seen.version;
    if (isNew) thing.version = seen.version;
    this.#things.set(seen.id, thing);
    thing.listeners.add(listener);
    if (isNew) this.#restart();
    return () => {
      thing.listeners.delete(listener);
      if (thing.listeners.size || this.#things.get(seen.id) !== thing) return;
      this.#things.delete(seen.id);
      if (!this.#things.size) this.#stop();
    };
  }

  /** Call `listener` when `mode` changes. Returns what ends it. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Say that the viewer has this story open, and hear who else has. Returns what ends it. */
  presence(where: { story: string; chapter?: string | null }, listener: (people: Present[]) => void): () => void {
    const end = new AbortController();
    const document = `subscription Presence($story: ID!, $chapter: ID) {
  presence(story: $story, chapter: $chapter) { people { person { id handle name } chapter { id } since } }
}`;
    // Behind a proxy the stream ends each few seconds, because only a client that asks again is known to be there.
    void this.#again(end.signal, async (heard, signal) => {
      for await (const { presence } of this.katha.stream<any, any>(document, where, { signal })) {
        heard();
        listener(presence.people);
      }
    });
    return () => end.abort();
  }

  #restart() {
    this.#stop();
    const { signal } = (this.#running = new AbortController());
    void this.#again(signal, this.#listen, () => this.#poll(signal));
  }

  #stop() {
    this.#running?.abort();
    this.#say("idle");
  }

  #say(mode: Mode) {
    if (mode === this.mode) return;
    this.mode = mode;
    for (const listener of this.#listeners) listener();
  }

  /** Listen until the signal; while there is no stream, ask. */
  async #again(signal: AbortSignal, listen: (heard: () => void, shown: AbortSignal) => Promise<void>, ask?: () => Promise<boolean>) {
    const { pollMs = 5_000 } = this.options;
    try {
      await pause(GATHER_MS, signal);
      for (let failures = 0; ; ) {
        let ms: number | undefined;
        if (!ask || failures < TRIES || failures % SELDOM === 0)
          try {
            await whileShown(signal, (shown) => listen(() => (failures = 0), shown));
            ms = pollMs; // the server has completed it: there is no hurry
          } catch (problem) {
            failures += problem instanceof RequestError ? TRIES : 1;
            ms = (problem as Unserved).afterMs;
          }
        else failures++;
        signal.throwIfAborted();
        if (ask && !(await ask())) failures = 1; // nobody answers anything: that says nothing of streams
        await pause(spread(ms ?? Math.min(pollMs, FIRST_PAUSE_MS * 2 ** failures)), signal, true);
      }
    } catch {
      // It was ended: nothing else leaves the loop.
    }
  }

  #listen = async (heard: () => void, signal: AbortSignal) => {
    const things = [...this.#things].map(([id, { version = null }]) => ({ id, version }));
    const document = `subscription Changed($things: [SeenInput!]!) {
  changed(things: $things) { id version thing { __typename id version ${this.#fields} } }
}`;
    for await (const { changed } of this.katha.stream<any, any>(document, { things }, { signal })) {
      heard();
      this.#say("stream");
      this.#tell(changed);
    }
  };

  async #poll(signal: AbortSignal): Promise<boolean> {
    this.#say("polling");
    const ids = [...this.#things.keys()];
    const document = `query Poll($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Versioned { version } ${this.#fields} } }`;
    try {
      const { nodes } = await this.katha.send<any, any>(document, { ids }, { signal });
      ids.forEach((id, index) => this.#tell({ id, version: nodes[index]?.version ?? null, thing: nodes[index] }));
      return true;
    } catch {
      signal.throwIfAborted();
      return false; // the next round asks again
    }
  }

  get #fields() {
    return this.options.fields ?? FIELDS;
  }

  #tell(change: Change) {
    const watched = this.#things.get(change.id);
    if (!watched || watched.version === change.version) return;
    watched.version = change.version;
    for (const listener of watched.listeners) listener(change);
  }
}
