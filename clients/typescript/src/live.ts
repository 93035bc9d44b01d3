/** Things that live: one stream for all that is shown, and polling where there is none. */
import type { Katha } from "./client";
import { pause, RequestError, spread } from "./waiting";

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
    void this.#again(end.signal, async () => {
      for await (const { presence } of this.katha.stream<any, any>(document, where, end)) listener(presence.people);
    });
    return () => end.abort();
  }

  #restart() {
    this.#stop();
    const { signal } = (this.#running = new AbortController());
    void this.#again(signal, () => this.#listen(signal), () => this.#poll(signal));
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

  /** Listen, and otherwise ask, until the signal. */
  async #again(signal: AbortSignal, listen: () => Promise<void>, ask?: () => Promise<void>) {
    const { pollMs = 5_000 } = this.options;
    try {
      await pause(GATHER_MS, signal);
      for (let failures = 0; ; ) {
        if (failures < TRIES || failures % SELDOM === 0)
          try {
            await listen();
            failures = 0;
          } catch (problem) {
            failures += problem instanceof RequestError ? TRIES : 1;
          }
        else failures++;
        signal.throwIfAborted();
        await ask?.();
        await pause(spread(failures ? Math.min(pollMs, FIRST_PAUSE_MS * 2 ** failures) : pollMs), signal, true);
      }
    } catch {
      // It was ended: nothing else leaves the loop.
    }
  }

  async #listen(signal: AbortSignal) {
    const things = [...this.#things].map(([id, { version = null }]) => ({ id, version }));
    const document = `subscription Changed($things: [SeenInput!]!) {
  changed(things: $things) { id version thing { __typename id version ${this.#fields} } }
}`;
    for await (const { changed } of this.katha.stream<any, any>(document, { things }, { signal })) {
      this.#say("stream");
      this.#tell(changed);
    }
  }

  async #poll(signal: AbortSignal) {
    this.#say("polling");
    const ids = [...this.#things.keys()];
    const document = `query Poll($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Versioned { version } ${this.#fields} } }`;
    try {
      const { nodes } = await this.katha.send<any, any>(document, { ids }, { signal });
      ids.forEach((id, index) => this.#tell({ id, version: nodes[index]?.version ?? null, thing: nodes[index] }));
    } catch {
      signal.throwIfAborted(); // the next round asks again
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
