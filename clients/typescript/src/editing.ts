/** Editing a chapter or a story while others do: autosave, merging, conflicts as data, and nothing typed is lost. */
import type { Refusal } from "./answers.js";
import type { Katha } from "./client.js";
import { FORMS, looking, saving } from "./editable.js";
import type { Conflict, Editable, EditingState, Kept, Pending, Status, Values } from "./editable.js";
import type { Live } from "./live.js";
import { merged, threeWay } from "./merge.js";
import type { Storage } from "./storage.js";
import { browserStorage, claim, mark } from "./storage.js";
import { newKey, spread, Unserved } from "./waiting.js";

export type { Colliding, Conflict, Editable, EditingState, Status, Values } from "./editable.js";
export { merged, threeWay } from "./merge.js";
export type { Clean, Collision, Part } from "./merge.js";
export { browserStorage, memoryStorage } from "./storage.js";
export type { Storage } from "./storage.js";

/** Of `new Editing`. */
export interface EditingOptions {
  /** How long after a change it is saved, in milliseconds; 600. */
  delayMs?: number;
  /** Shows what others write as they do. */
  live?: Live;
  /** Where unsaved text is kept: localStorage if left out, null for nowhere. */
  storage?: Storage | null;
  /** The id of who types. Without it, what is not saved comes back only under the very token under which it was typed. */
  scope?: string;
}

const AGAIN_MS = 5_000;
const STRANGER: Refusal = { code: "UNAUTHENTICATED", message: "Who typed this is not signed in. It stays in the storage." };

/** One thing that a person edits. */
export class Editing {
  /** What to show now. */
  state: EditingState;
  #thing: Editable;
  #fields: readonly string[];
  /** What the server and the person both know, and its version; `#after` instead of it if others' text was not taken over yet. */
  #base: Values;
  #version: string;
  #after: string | undefined;
  #draft: Values;
  #pending: Pending | undefined;
  #refusedKey: string | undefined;
  #conflict: Omit<Conflict, "fields"> | null = null;
  #status: Status = "saved";
  #refusal: Refusal | null = null;
  #isKept = true;
  #saving: Promise<void> | undefined;
  #hint: string | null | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #store: Storage | null | undefined;
  #bearer: string | null | undefined;
  #slots: string;
  #slot: string;
  #listeners = new Set<() => void>();
  #end = new AbortController();
  #leftovers: Promise<string[]>;
  #leftover: { slot: string; text: string } | undefined;
  #keeping: Promise<unknown> = Promise.resolve();
  #ready: Promise<void>;

  constructor(
    readonly katha: Katha,
    thing: Editable,
    readonly options: EditingOptions = {},
  ) {
    this.#thing = thing;
    this.#fields = FORMS[thing.__typename];
    this.#base = this.#draft = this.#valuesOf(thing);
    this.#version = thing.version;
    this.#store = options.storage === undefined ? browserStorage() : options.storage;
    this.#bearer = katha.bearer;
    this.#slots = `katha:${options.scope ?? mark(this.#bearer)}:${thing.id}:`;
    this.#slot = `${this.#slots}${newKey()}`;
    this.state = this.#now();
    this.#leftovers = this.#find();
    this.#ready = this.#restore().then(() => this.#look(thing));
    const stop = options.live?.watch(thing, ({ version }) => this.#hinted(version));
    const wake = () => void this.flush();
    globalThis.addEventListener?.("online", wake);
    this.#end.signal.addEventListener("abort", () => {
      stop?.();
      globalThis.removeEventListener?.("online", wake);
    });
  }

  /** The thing's. */
  get id(): string {
    return this.#thing.id;
  }

  /** Call `listener` after every change of `state`. Returns what ends it. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /**
   * What the person has typed: the new values of some fields. `seen` is the state that was on the screen, if that may be an older
   * one (as while an input method composes): what came in since is kept.
   */
  set(values: Values, seen: EditingState = this.state): void {
    const now = this.#draft;
    this.#draft = { ...now };
    for (const name in values) {
      const typed = values[name]!.normalize(); // as the server stores texts
      this.#draft[name] = this.#merge(name, seen.values[name]!, typed, now[name]!) ?? typed;
    }
    if (this.#conflict && this.#rebased(this.#conflict.current)) this.#conflict = null;
    if (!this.#conflict && this.#status !== "gone") this.#refusal = null;
    this.#changed();
  }

  /** Save now. Settles when everything is saved, or cannot be for now: `state.status` says which. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#ready;
    await (this.#saving ??= this.#save().finally(() => {
      this.#saving = undefined;
      this.#changed();
    }));
  }

  /** What the person chose in the dialogue: the whole values of the colliding fields. It is saved on top of `current`. */
  resolve(values: Values): Promise<void> {
    const { current } = this.#conflict!;
    const theirs = this.#valuesOf(current);
    const choose = (name: string) => values[name]?.normalize() ?? this.#mergedField(name, theirs) ?? this.#draft[name]!;
    this.#draft = Object.fromEntries(this.#fields.map((name) => [name, choose(name)]));
    this.#rest(current);
    this.#conflict = null;
    this.#changed();
    return this.flush();
  }

  /** Throw away what is not saved: the values are those of the server again. */
  discard(): void {
    if (this.#conflict) this.#rest(this.#conflict.current);
    this.#draft = this.#base;
    this.#pending = this.#after = undefined;
    this.#conflict = null;
    if (this.#status !== "gone") this.#refusal = null;
    this.#changed();
  }

  /** Stop: what is not saved stays in the storage, and comes back when the thing is edited again. */
  close(): void {
    clearTimeout(this.#timer);
    this.#end.abort();
    this.#listeners.clear();
  }

  // --- Saving

  async #save(): Promise<void> {
    try {
      do {
        while (!this.#end.signal.aborted && !this.#conflict && !this.#refusal && (this.#pending ??= this.#next())) {
          const { key, patch, expect } = this.#pending;
          await this.#keep();
          if (!(await this.#isTheirs())) {
            this.#refusal = STRANGER;
            return;
          }
          this.#say("saving");
          const variables = { id: this.#thing.id, patch, expect };
          const onWait = ({ code }: Unserved) => this.#say(code ? "saving" : "offline");
          this.#settle(await this.katha.write(saving(this.#thing.__typename), variables, { key, signal: this.#end.signal, onWait }));
          this.#say(this.#status); // at once: who types meanwhile types into what is shown
          await this.#keep();
        }
        const hint = this.#hint;
        if (hint !== undefined && hint !== this.#version && this.#status !== "gone") await this.#look();
        if (hint === this.#hint) this.#hint = undefined;
      } while (this.#hint !== undefined || (!this.#pending && !this.#isDirty && (await this.#restore())));
      if (this.#status === "offline") this.#status = "edited"; // somebody answers again
    } catch (problem) {
      if (this.#end.signal.aborted) return;
      if (problem instanceof Unserved) {
        this.#say("offline");
        this.#schedule(spread(problem.afterMs ?? AGAIN_MS));
      } else {
        this.#pending = undefined;
        this.#refusal = problem as Error;
      }
    }
  }

  /** Whether who is signed in now is who typed this; if the token is another one, the server says. */
  async #isTheirs(): Promise<boolean> {
    const { bearer } = this.katha;
    if (bearer === this.#bearer) return true;
    if (!bearer) return false;
    const { viewer } = await this.katha.query("{ viewer { id } }", {}, { signal: this.#end.signal });
    if (bearer !== this.katha.bearer || !viewer || viewer.id !== this.options.scope) return false;
    this.#bearer = bearer;
    return true;
  }

  /** The next save: the fields that differ, under a key of its own. After a refusal the same key goes on. */
  #next(): Pending | undefined {
    if (!this.#isDirty) return undefined;
    const patch: Values = {};
    for (const name of this.#fields) if (this.#differs(name)) patch[name] = this.#draft[name]!;
    const key = this.#refusedKey ?? newKey();
    const expect = this.#after ? { after: this.#after } : { version: this.#version };
    return { key, patch, expect, sent: this.#draft };
  }

  #settle(answer: any): void {
    const { key, sent } = this.#pending!;
    this.#pending = undefined;
    this.#refusedKey = undefined;
    if (answer.thing) {
      this.#base = sent;
      // What was typed meanwhile goes on top of the answer; where both collide, the server is asked with the text that was sent.
      if (!this.#rebased(answer.thing)) this.#after = key;
      this.#version = answer.thing.version;
    } else if (answer.current) {
      this.#refusedKey = key;
      if (!this.#rebased(answer.current)) this.#conflict = answer;
    } else if (answer.__typename !== "KeyReusedError") {
      // A key that was used for something else says nothing of this save: it is sent under a new one.
      this.#refusal = answer;
      if (answer.__typename === "NotFoundError") this.#status = "gone";
    }
  }

  // --- Merging

  #valuesOf(thing: any): Values {
    return Object.fromEntries(this.#fields.map((name) => [name, thing[name] ?? ""]));
  }

  #mergedField(name: string, theirs: Values): string | null {
    return this.#merge(name, this.#base[name]!, this.#draft[name]!, theirs[name]!);
  }

  #merge(name: string, base: string, mine: string, other: string): string | null {
    // Blanks at the ends of a title are not stored: a person who types one goes on.
    if (name !== "body") return mine.trim() === other || tidy(base) === tidy(other) ? mine : mine === base ? other : null;
    return merged(threeWay(base, mine, other));
  }

  /** Take over the thing as it is now, with what was typed on top; false, and nothing is done, if both collide. */
  #rebased(thing: any): boolean {
    const theirs = this.#valuesOf(thing);
    const values = this.#fields.map((name) => [name, this.#mergedField(name, theirs)] as const);
    if (values.some(([, text]) => text === null)) return false;
    this.#draft = Object.fromEntries(values) as Values;
    this.#rest(thing);
    return true;
  }

  /** From now on this thing is what both know. */
  #rest(thing: any): void {
    this.#base = this.#valuesOf(thing);
    this.#version = thing.version;
    this.#after = undefined;
  }

  // --- What others write

  /** The thing has changed, or this very client has changed it. A message may be older than the last answer: so look. */
  #hinted(version: string | null): void {
    this.#hint = version;
    void this.flush();
  }

  /** Read the thing, and take it over. Only between saves, so that what is read is never older than what was written. */
  async #look(fresh?: any): Promise<void> {
    const options = { signal: this.#end.signal };
    const thing = fresh ?? (await this.katha.query(looking(this.#thing.__typename), { id: this.#thing.id }, options)).thing;
    if (this.#pending) {
      this.#hint = thing?.version;
      return;
    }
    if (!thing) {
      this.#status = "gone";
      this.#refusal = { __typename: "NotFoundError" };
    } else if (thing.version === this.#version) return;
    else if (this.#rebased(thing)) this.#conflict = null;
    else if (this.#conflict) this.#conflict = { ...this.#conflict, current: thing };
    this.#changed();
  }

  // --- State

  #differs = (name: string): boolean =>
    name === "body" ? this.#draft[name] !== this.#base[name] : tidy(this.#draft[name]!) !== tidy(this.#base[name]!);

  get #isDirty(): boolean {
    return this.#fields.some(this.#differs);
  }

  #now(): EditingState {
    const theirs = this.#conflict && this.#valuesOf(this.#conflict.current);
    const fields = this.#fields.flatMap((path) => {
      if (!theirs || this.#mergedField(path, theirs) !== null) return [];
      const [base, mine, other] = [this.#base[path]!, this.#draft[path]!, theirs[path]!];
      return { path, parts: path === "body" ? threeWay(base, mine, other) : [{ kind: "COLLISION" as const, base, mine, theirs: other }] };
    });
    return {
      values: this.#draft,
      version: this.#version,
      status: this.#conflict ? "conflict" : this.#status,
      conflict: this.#conflict && { ...this.#conflict, fields },
      refusal: this.#refusal,
      isKept: this.#isKept,
    };
  }

  #say(status: Status): void {
    this.#status = status;
    this.state = this.#now();
    for (const listener of this.#listeners) listener();
  }

  /** Something is different: keep it, show it, and save it soon. */
  #changed(): void {
    void this.#keep();
    const isOpen = this.#saving || this.#status === "offline";
    if (this.#status === "gone") return this.#say("gone");
    if (this.#refusal) return this.#say("refused");
    if (!isOpen) this.#status = this.#isDirty || this.#pending ? "edited" : "saved";
    if (this.#isDirty && !this.#conflict) this.#schedule(this.options.delayMs ?? 600);
    this.#say(this.#status);
  }

  #schedule(ms: number): void {
    if (!this.#end.signal.aborted) this.#timer ??= setTimeout(() => void this.flush(), ms);
  }

  // --- Surviving a reload

  #keep(): Promise<unknown> {
    return (this.#keeping = this.#keeping.then(async () => {
      const [base, version, after, draft, pending] = [this.#base, this.#version, this.#after, this.#draft, this.#pending];
      const kept: Kept = { base, version, after, draft, pending };
      const before = this.#isKept;
      try {
        if (this.#isDirty || pending) await this.#store?.set(this.#slot, JSON.stringify(kept));
        else await this.#store?.delete(this.#slot);
        this.#isKept = !!this.#store;
      } catch {
        this.#isKept = false; // full, or forbidden
      }
      if (before !== this.#isKept) this.#say(this.#status);
    }));
  }

  /** The slots that pages have left which are no more: those who live hold a lock. */
  async #find(): Promise<string[]> {
    await claim(this.#slot, this.#end.signal);
    const held = (await globalThis.navigator?.locks?.query())?.held?.map(({ name }) => name);
    const names = (await this.#store?.names(this.#slots)) ?? [];
    return names.filter((name) => name !== this.#slot && !held?.includes(name));
  }

  /** The next of them that nobody else has taken meanwhile. */
  async #unclaimed(): Promise<{ slot: string; text: string } | undefined> {
    const names = await this.#leftovers;
    for (let slot; (slot = names.pop()); ) {
      const text = (await claim(slot, this.#end.signal)) && (await this.#store!.get(slot));
      if (text) return { slot, text };
    }
    return undefined;
  }

  /**
   * Go on from what an earlier page has left, if there is something: first its save that has no answer, under its key. It stays in its
   * slot, because there may be no room for a second copy. What has been typed meanwhile is saved before.
   */
  async #restore(): Promise<boolean> {
    try {
      this.#leftover ??= await this.#unclaimed();
      if (!this.#leftover || this.#isDirty) return false;
      const [{ slot, text }, own] = [this.#leftover, this.#slot];
      this.#leftover = undefined;
      const kept: Kept = JSON.parse(text);
      [this.#base, this.#version, this.#after, this.#draft, this.#pending] = [kept.base, kept.version, kept.after, kept.draft, kept.pending];
      this.#slot = slot;
      this.#changed();
      await this.#store!.delete(own);
      return true;
    } catch {
      this.#isKept = false;
      return false;
    }
  }
}

const tidy = (text: string): string => text.trim();
